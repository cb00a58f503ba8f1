"""``make bench``: throughput, latency, server CPU and memory of a KBS and an AS.

Run it with ``--help`` for measuring another server of the same protocol.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clients import Guest
from floor import floors

_ROOT = Path(__file__).resolve().parent.parent
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Figures:
    """What one workload gave."""

    operations: int
    seconds: float
    latencies_ms: list[float]
    server_cpu_ms: float | None
    memory_mib: float | None

    def percentile(self, share: float) -> float:
        """The latency that this share of the operations stayed under."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def main() -> None:
    """Measure and print a table."""
    options = _options()
    with _server(options) as (kbs_url, as_url, pid):
        results = {}
        for name, make in _workloads(options, kbs_url, as_url):
            results[name] = _measure(make, options, pid)
    _print(results, floors())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kbs-url", help="a running KBS; without it a demo server is started")
    parser.add_argument("--as-url", help="a running AS for passport tokens")
    parser.add_argument("--server-pid", type=int, help="whose CPU time is counted, with children")
    parser.add_argument("--resource", default="default/demo/secret", help="repository/type/tag")
    parser.add_argument("--seconds", type=float, default=8, help="of each workload")
    parser.add_argument("--clients", type=int, default=4, help="guests at the same time")
    return parser.parse_args()


def _workloads(
    options: argparse.Namespace, kbs_url: str, as_url: str | None
) -> Iterator[tuple[str, Callable[[], Callable[[], object]]]]:
    def guest() -> Guest:
        return Guest(kbs_url, as_url or kbs_url, options.resource)

    def with_token() -> Callable[[], object]:
        holder = guest()
        token = holder.passport_token()
        return lambda: holder.resource_with_token(token)

    yield "handshake", lambda: guest().handshake
    if as_url is not None:
        yield "passport token", lambda: guest().passport_token
        yield "resource with token", with_token


def _measure(
    make: Callable[[], Callable[[], object]], options: argparse.Namespace, pid: int | None
) -> Figures:
    operations = [make() for _ in range(options.clients)]
    for operation in operations:
        operation()
    latencies: list[list[float]] = [[] for _ in operations]
    until = time.perf_counter() + options.seconds
    cpu_before = _cpu_ms(pid)
    started = time.perf_counter()

    def work(operation: Callable[[], object], into: list[float]) -> None:
        while (begun := time.perf_counter()) < until:
            operation()
            into.append((time.perf_counter() - begun) * 1000)

    threads = [
        threading.Thread(target=work, args=each) for each in zip(operations, latencies, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    done = [value for each in latencies for value in each]
    cpu = None if cpu_before is None else (_cpu_ms(pid) - cpu_before) / len(done)
    return Figures(len(done), seconds, done, cpu, _memory_mib(pid))


def _print(results: dict[str, Figures], floor: dict[str, float]) -> None:
    print(f"\nPython {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}\n")
    columns = ("operation", "per s", "p50 ms", "p99 ms", "CPU ms", "floor ms", "2x+1 ms", "MiB")
    print("{:22}{:>9}{:>9}{:>9}{:>9}{:>10}{:>9}{:>8}".format(*columns))
    for name, figures in results.items():
        row = (
            name,
            f"{figures.operations / figures.seconds:.0f}",
            f"{figures.percentile(0.5):.1f}",
            f"{figures.percentile(0.99):.1f}",
            "" if figures.server_cpu_ms is None else f"{figures.server_cpu_ms:.2f}",
            f"{floor[name]:.2f}",
            f"{2 * floor[name] + 1:.2f}",
            "" if figures.memory_mib is None else f"{figures.memory_mib:.0f}",
        )
        print("{:22}{:>9}{:>9}{:>9}{:>9}{:>10}{:>9}{:>8}".format(*row))


@contextmanager
def _server(options: argparse.Namespace) -> Iterator[tuple[str, str | None, int | None]]:
    if options.kbs_url:
        yield options.kbs_url.rstrip("/"), options.as_url, options.server_pid
        return
    with tempfile.TemporaryDirectory() as state:
        port = _free_port()
        command = [sys.executable, "-m", "app.cli", "demo", "--state", state, "--port", str(port)]
        process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.DEVNULL)
        try:
            url = f"http://127.0.0.1:{port}"
            _await(url, process)
            yield url, url, process.pid
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        if process.poll() is not None:
            sys.exit("the server ended")
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=1):  # noqa: S310  (loopback)
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    sys.exit("the server did not start")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _family(pid: int) -> list[int]:
    """A process and its children, as /proc tells them."""
    children = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(stat[1]) == pid:
                children.append(int(entry.name))
    return [pid, *children]


def _cpu_ms(pid: int | None) -> float | None:
    if pid is None:
        return None
    ticks = 0
    for member in _family(pid):
        stat = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        ticks += int(stat[11]) + int(stat[12])
    return ticks * 1000 / _TICKS


def _memory_mib(pid: int | None) -> float | None:
    if pid is None:
        return None
    # Workers, when there are any: the parent only watches them.
    members = _family(pid)[1:] or [pid]
    pages = max(int(Path(f"/proc/{member}/statm").read_text().split()[1]) for member in members)
    return pages * _PAGE / 1024 / 1024


if __name__ == "__main__":
    main()
