"""A thousand containers that ask one guest at once: attestations, requests, latencies, memory.

Run by ``make bench``; it starts a demo server and a guest in front of it, on loopback.
"""

from __future__ import annotations

import argparse
import http.client
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from run import _ROOT, _await, _free_port

_TARGET = "/cdh/resource/default/demo/secret"


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--containers", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as state:
        kbs, api = _free_port(), _free_port()
        url, config = f"http://127.0.0.1:{kbs}", Path(state) / "demo.toml"
        server = _start("app.cli", "demo", "--state", state, "--port", str(kbs))
        _await(url, server)
        serve = ("serve", "--insecure-sample", "--kbs-url", url, "--bind", f"127.0.0.1:{api}")
        guest = _start("guest.cli", *serve)
        try:
            _await_guest(api)
            before = _memory(guest.pid, "VmRSS")
            latencies = _ask_at_once(api, options.containers)
            counts = _recorded(config, "appraisal"), _recorded(config, "release")
            _print(latencies, counts, before, _memory(guest.pid, "VmHWM"))
        finally:
            for process in (guest, server):
                process.send_signal(signal.SIGINT)
                process.wait(30)


def _start(module: str, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.Popen(
        command, cwd=_ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _await_guest(port: int) -> None:
    for _ in range(300):
        try:
            if _get(port, "/info") == 200:
                return
        except OSError:
            time.sleep(0.1)
    sys.exit("the guest did not start")


def _get(port: int, target: str) -> int:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    try:
        client.request("GET", target)
        response = client.getresponse()
        response.read()
        return response.status
    finally:
        client.close()


def _ask_at_once(port: int, count: int) -> list[float]:
    """Milliseconds of each, sorted; ends the program when one got no secret."""
    together, latencies = threading.Barrier(count), []

    def ask() -> None:
        together.wait()
        began = time.perf_counter()
        if _get(port, _TARGET) == 200:
            latencies.append((time.perf_counter() - began) * 1000)

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(latencies) < count:
        sys.exit(f"{count - len(latencies)} containers got no secret")
    return sorted(latencies)


def _recorded(config: Path, kind: str) -> int:
    """Decisions of a kind that the server wrote down; 500 stands for all above."""
    command = [sys.executable, "-m", "app.cli", "decisions", "list", "--kind", kind]
    listed = subprocess.run(
        [*command, "--limit", "500"],
        cwd=_ROOT,
        env=os.environ | {"VOUCHGATE_CONFIG": str(config)},
        capture_output=True,
        text=True,
        check=True,
    )
    return len(re.findall(rf"\t{kind}\t", listed.stdout))


def _memory(pid: int, name: str) -> float:
    """MiB of a process, as /proc tells them."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(rf"{name}:\s+(\d+) kB", text)[0]) / 1024


def _print(latencies: list[float], counts: tuple[int, int], before: float, most: float) -> None:
    count = len(latencies)
    p50, p99 = latencies[count // 2], latencies[min(count - 1, int(count * 0.99))]
    print("| containers at once | attestations | requests | p50 ms | p99 ms | MiB | at most |")
    print("|---|---|---|---|---|---|---|")
    attestations, requests = counts
    times = f"{p50:.0f} | {p99:.0f} | {before:.0f} | {most:.0f}"
    print(f"| {count} | {attestations} | {requests} | {times} |")


if __name__ == "__main__":
    main()
