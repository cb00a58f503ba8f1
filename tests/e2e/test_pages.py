"""The commands of the tutorial and the how-tos, run as they stand there, on ports of their own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import postgres
import pytest
from processes import free_port, running, vouchgate
from repository import blocks, page
from servers import AdminKey, make_settings, settings_table
from simulated.boot_log import IPL, log
from simulated.firmware import image
from toml_files import write_toml

from app.lab.tdx import event_log
from app.wiring import prepare

BIN = Path(sys.executable).parent
LAYER_KEY = b64encode(b"the key of a layer").decode()
# What each page shows that its reader gets, besides running to its end.
SHOWN = {
    "how-to/first-run.md": ["/console/setup#", "sha384", "vouchgate_"],
    "how-to/passport-with-tls.md": ["correct horse", "refused with exit status"],
    "how-to/add-a-tee.md": ['"ear.status":"affirming"'],
    "how-to/keep-collateral.md": ["bundle of connected", "kept: 0"],
    "how-to/learn-with-a-lab.md": ["affirming", "signature-invalid", "nonce-used"],
    "how-to/rotate-keys.md": ["rotated", "rewrapped"],
    "how-to/postgresql.md": ["default/app/key"],
}


def shell_blocks(name: str) -> str:
    """The shell blocks of a page, one after the other."""
    return "\n".join(body for language, body in blocks(page(name)) if language == "sh")


def script_of(name: str) -> str:
    """The same, with ports that are free."""
    text = shell_blocks(name)
    ports = sorted(set(re.findall(r"127\.0\.0\.1:(\d{4})", text)))
    for port in ports:
        text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free_port()}")
    return text


def run(script: str, folder: Path, **environment: str) -> str:
    """Run a script to its end; what it printed."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"} | environment,
        capture_output=True,
        timeout=150,
        check=False,
    )
    output = done.stdout.decode() + done.stderr.decode()
    assert done.returncode == 0, output[-4000:]
    return output


@pytest.mark.parametrize("name", SHOWN)
def test_a_how_to_runs_to_its_end(name: str, tmp_path: Path) -> None:
    """Every command of the page ends as its reader expects."""
    environment = {}
    script = script_of(name)
    if "pg_dump" in script:
        server = postgres.postgresql_server()
        programs = next(Path("/usr/lib/postgresql").glob("*/bin"))
        script = f'PATH="$PATH:{programs}"\n{script}'
        environment = {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGUSER": "postgres"}
    elif name.endswith(("first-run.md", "rotate-keys.md")):
        # The page's server listens on the default port; here it is told another one.
        port = script.rpartition("http://127.0.0.1:")[2].partition("/")[0]
        bind = f'\nserver.bind = ["127.0.0.1:{port}"]\n\n[database]'
        script = script.replace("\n\n[database]", bind)
    output = run(script, tmp_path, **environment)
    for text in SHOWN[name]:
        assert text in output


def test_reference_values_are_computed_from_a_build(tmp_path: Path) -> None:
    """With a firmware of the tests, and the logs of a boot that never was."""
    build = {
        "OVMF.fd": image(),
        "vmlinuz": b"kernel",
        "initrd.img": b"initrd",
        "CCEL": event_log([(2, 5, b"a"), (3, 5, b"b")]),
        "binary_bios_measurements": log([(4, IPL, bytes(32), b""), (11, IPL, bytes(32), b"")]),
    }
    for name, content in build.items():
        (tmp_path / name).write_bytes(content)
    AdminKey.make(tmp_path)
    write_toml(tmp_path / "vouchgate.toml", settings_table(tmp_path))
    prepare(make_settings(tmp_path))
    output = run(script_of("how-to/reference-values-from-your-build.md"), tmp_path)
    for text in ("snp_launch_measurement\t", "mr_td\t", "rtmr_1\t", "tpm_pcr11\t"):
        assert text in output
    assert "source\tcomputed for tdx: firmware " in output
    assert "extractor\tsample" in output


def test_the_tutorial_runs_to_its_end(tmp_path: Path) -> None:
    """From the demo to a secret of one's own, a refusal, its reason, and its replay."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = vouchgate("demo", "--state", str(tmp_path / "var"), "--port", str(port))
    script = shell_blocks("tutorial/first-secret.md")
    with running(command, url, tmp_path / "log"):
        output = run(script.replace("http://127.0.0.1:8080", url), tmp_path)
    assert output.count("correct horse battery staple") == 2
    assert "policy-denied" in output
    assert output.count('"same": true') == 2


def test_a_container_reads_its_secret(tmp_path: Path) -> None:
    """One attestation, four releases, and what it does not get."""
    url, api = f"http://127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    port = url.rpartition(":")[2]
    command = vouchgate("demo", "--state", str(tmp_path / "var"), "--port", port)
    script = shell_blocks("tutorial/a-container-reads-its-secret.md")
    script = script.replace("http://127.0.0.1:8080", url).replace("127.0.0.1:8006", api)
    with running(command, url, tmp_path / "log"):
        output = run(script, tmp_path)
    assert output.count("postgres://app:staple@db/app") == 4
    assert output.count("\trelease\tallowed") == 4
    assert output.count("\tappraisal\t") == 1
    assert "Vouchgate-Reason: not-found" in output
    assert "Attestation Feature Not Enabled" in output


def test_the_console_how_tos_run_to_their_end(tmp_path: Path) -> None:
    """What operators do from the terminal, on the demo's settings."""
    port = str(free_port())
    command = vouchgate("demo", "--state", str(tmp_path / "var"), "--port", port)
    with running(command, f"http://127.0.0.1:{port}", tmp_path / "log"):
        shutil.copy(tmp_path / "var" / "demo.toml", tmp_path / "vouchgate.toml")
        output = run(script_of("how-to/manage-secrets.md"), tmp_path)
        output += run(script_of("how-to/manage-reference-values.md"), tmp_path)
    assert "default/app/password version 3" in output
    assert "default/app/key version 2" in output
    assert "read by\tdefault_cpu" in output
    assert "added\tmr_td" in output


def test_denied_to_allowed_runs_as_far_as_the_terminal_goes(tmp_path: Path) -> None:
    """Without the steps in the browser the guest stays refused; test_stories.py takes those."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = vouchgate("demo", "--state", str(tmp_path / "var"), "--port", str(port))
    script = shell_blocks("tutorial/denied-to-allowed.md")
    with running(command, url, tmp_path / "log"):
        output = run(script.replace("http://127.0.0.1:8080", url), tmp_path)
    assert "refused with exit status" in output
    assert "still refused" in output


def test_sealed_secrets_are_opened_as_the_page_says(tmp_path: Path) -> None:
    """By a guest with the page's own settings: a vault secret, and an envelope."""
    url = f"http://127.0.0.1:{free_port()}"
    port = url.rpartition(":")[2]
    command = vouchgate("demo", "--state", str(tmp_path / "var"), "--port", port)
    name = "how-to/sealed-secrets.md"
    (pins,) = [body for language, body in blocks(page(name)) if language == "toml"]
    server = f'insecure_sample = true\n[token_configs.kbs]\nurl = "{url}"\n'
    (tmp_path / "guest.toml").write_text(server + pins)
    with running(command, url, tmp_path / "log"):
        config = str(tmp_path / "var" / "demo.toml")
        output = run(script_of(name), tmp_path, VOUCHGATE_CONFIG=config)
    assert output.count("correct horse") == 2


def test_image_keys_are_wrapped_and_unwrapped_as_the_page_says(tmp_path: Path) -> None:
    """By the program of the page's own file, asked as ocicrypt asks; a changed key is refused."""
    port = free_port()
    command = vouchgate("demo", "--state", str(tmp_path / "var"), "--port", str(port))
    with running(command, f"http://127.0.0.1:{port}", tmp_path / "log"):
        config = str(tmp_path / "var" / "demo.toml")
        run(script_of("how-to/encrypt-images.md"), tmp_path, VOUCHGATE_CONFIG=config)
        parameters = "keyid=kbs:///default/image-key/team::keypath=keys/image.key"
        wrapped = ocicrypt(tmp_path, parameters=parameters)["keywrapresults"]["annotation"]
        guest = ["--insecure-sample", "--kbs-url", f"http://127.0.0.1:{port}"]
        opened = ocicrypt(tmp_path, *guest, annotation=bytes(wrapped))
        changed = json.loads(bytes(wrapped))
        changed["kid"] = "kbs:///default/demo/secret"
        with pytest.raises(subprocess.CalledProcessError) as caught:
            ocicrypt(tmp_path, *guest, annotation=json.dumps(changed).encode())
    assert bytes(opened["keyunwrapresults"]["optsdata"]) == b"the key of a layer"
    assert caught.value.returncode == 45


def ocicrypt(folder: Path, *more: str, parameters: str = "", annotation: bytes = b"") -> Any:
    """The answer of the key provider that ``ocicrypt.conf`` names, as ocicrypt starts it."""
    providers = json.loads((folder / "ocicrypt.conf").read_text())["key-providers"]
    program = providers["attestation-agent"]["cmd"]
    given = b64encode(parameters.encode()).decode()
    wrap = {"ec": {"Parameters": {"attestation-agent": [given]}}, "optsdata": LAYER_KEY}
    unwrap = {"dc": None, "annotation": b64encode(annotation).decode()}
    asked = {
        "op": "keywrap" if parameters else "keyunwrap",
        "keywrapparams": wrap if parameters else {"ec": None, "optsdata": None},
        "keyunwrapparams": {"dc": None, "annotation": None} if parameters else unwrap,
    }
    path = Path(sys.executable).parent / program["path"]
    done = subprocess.run(
        [path, *program["args"], *more],
        cwd=folder,
        input=json.dumps(asked).encode(),
        capture_output=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout)
