"""The command line of the guest, against small servers on loopback."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from bare_machine import bare_settings
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from emulated_tsm import EmulatedTSM
from paths import VECTORS

from guest.cli import main
from guest.kbs.tee_keys import TEEKeyPair
from guest.wire.appraisals import parse_attestation_evaluation
from guest.wire.encoding import b64_encode
from guest.wire.jwe import seal
from guest.wire.jwk import parse_tee_public_key
from guest.wiring import Outside

SECRET = b"\x00the secret\xff\n"
URI = "kbs:///default/demo/secret"
LATER = 4102444800


class Servers:
    """An AS and a KBS in one function of the call; the token they give out is bound to one key."""

    def __init__(self, answer: Any, jwt: Any) -> None:
        self._answer = answer
        self._token = jwt(exp=LATER)
        self._key: Any = None
        self.refusal: Any = None
        self.paths: list[str] = []

    def __call__(self, call: Any) -> Any:
        """The answer to a call."""
        self.paths.append(call.path)
        kind = {"Content-Type": "application/json"}
        if call.path in {"/kbs/v0/auth", "/challenge"}:
            headers = {**kind, "Set-Cookie": "kbs-session-id=s; Path=/kbs/v0"}
            return self._answer(200, headers, b'{"nonce":"bm9uY2U=","extra-params":""}')
        if call.path == "/kbs/v0/attest":
            self._key = json.loads(call.body)["runtime-data"]["tee-pubkey"]
            return self._answer(200, kind, json.dumps({"token": self._token}).encode())
        if call.path == "/attestation":
            evaluation = parse_attestation_evaluation(json.loads(call.body))
            bound = evaluation.verification_requests[0].runtime_data
            assert bound is not None
            self._key = bound["tee-pubkey"]
            return self._answer(200, {}, self._token.encode())
        if call.path == "/healthz":
            return self._answer()
        if self.refusal is not None:
            return self.refusal
        assert call.headers["Authorization"] == f"Bearer {self._token}"
        sealed = seal(SECRET, parse_tee_public_key(self._key))
        return self._answer(200, kind, json.dumps(sealed).encode())


@pytest.fixture
def servers(answer: Any, jwt: Any) -> Servers:
    """What the servers say."""
    return Servers(answer, jwt)


@pytest.fixture
def url(serve: Any, servers: Servers) -> str:
    """Where the servers listen."""
    return str(serve(servers).url)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonesuch"],
        ["get-resource"],
        ["token", "--as", "--kbs"],
        ["token", "--insecure", "--kbs-url", "http://127.0.0.1"],
        ["evidence", "--report-data", "xyz"],
        ["evidence", "--report-data", "00" * 65],
        ["token", "--model", "none"],
    ],
)
def test_refuses_other_arguments(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    """Options are never guessed from their beginning: ``--insecure`` is none."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (["get-resource", URI, "--insecure-sample"], 2, "token_configs.kbs.url"),
        (["token", "--insecure-sample"], 2, "token_configs.kbs"),
        (["token", "--kbs-url", "http://10.0.0.1"], 2, "loopback"),
        (["token", "--tee", "sample"], 2, "insecure_sample"),
        (["token", "--config", "/nonexistent.toml"], 2, "nonexistent"),
        (["get-resource", "a/b/c", "--insecure-sample", "--kbs-url", "http://[::1]:1"], 3, "kbs:"),
        (["token", "--insecure-sample", "--kbs-url", "http://127.0.0.1:1"], 20, "unreachable"),
    ],
)
def test_says_what_is_wrong(
    arguments: list[str], exit_code: int, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """On standard error, with an exit code of its own and nothing on standard output."""
    assert main(arguments) == exit_code
    shown = capfd.readouterr()
    assert said in shown.err
    assert shown.out == ""


def test_lists_faults_as_json(capfd: pytest.CaptureFixture[str]) -> None:
    """For programs that start the guest."""
    assert main(["token", "--json", "--kbs-url", "x:", "--as-url", "http://10.0.0.1"]) == 2
    error = json.loads(capfd.readouterr().err)["error"]
    assert error["code"] == "config-invalid"
    assert len(error["faults"]) == 2


@pytest.mark.parametrize(
    ("status", "exit_code", "code"),
    [
        (400, 30, "request-refused"),
        (401, 31, "unauthorized"),
        (403, 32, "denied"),
        (404, 33, "not-found"),
    ],
)
def test_a_refusal_names_its_decision(  # noqa: PLR0917  (fixtures)
    servers: Servers,
    url: str,
    answer: Any,
    status: int,
    exit_code: int,
    code: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The reason and the id under which the server wrote it down."""
    headers = {"Vouchgate-Decision": "d-77", "Vouchgate-Reason": "why-not"}
    servers.refusal = answer(status, headers, b'{"detail":"the server\'s words"}')
    arguments = ["get-resource", "--insecure-sample", "--kbs-url", url, URI]
    assert main(arguments) == exit_code
    shown = capfd.readouterr()
    assert shown.out == ""
    assert f"vouchgate-guest: {code}: the server answered {status}: the server's words" in shown.err
    assert "reason: why-not\n" in shown.err
    assert "decision: d-77\n" in shown.err
    assert main([*arguments, "--json"]) == exit_code
    error = json.loads(capfd.readouterr().err.splitlines()[-1])["error"]
    assert (error["status"], error["reason"], error["decision"]) == (status, "why-not", "d-77")


def test_fetches_by_background_check(
    servers: Servers, url: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """The bytes of the secret, and nothing else, on standard output."""
    assert main(["get-resource", "--kbs-url", url, "--insecure-sample", URI]) == 0
    assert capfdbinary.readouterr().out == SECRET
    path = "/kbs/v0/resource/default/demo/secret"
    assert servers.paths == ["/kbs/v0/auth", "/kbs/v0/attest", path]


def test_fetches_by_passport(
    servers: Servers, url: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """The KBS is asked for the resource only."""
    model = ["--as-url", url, "--kbs-url", url, "--model", "passport"]
    assert main(["get-resource", *model, "--insecure-sample", URI]) == 0
    assert capfdbinary.readouterr().out == SECRET
    path = "/kbs/v0/resource/default/demo/secret"
    assert servers.paths == ["/challenge", "/attestation", path]


def test_fetches_as_json(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Base64, because secrets are bytes."""
    assert main(["get-resource", "--kbs-url", url, "--insecure-sample", "--json", URI]) == 0
    assert json.loads(capfd.readouterr().out) == {"resource": b64_encode(SECRET)}


@pytest.mark.parametrize(
    ("flags", "path"), [(["--as"], "/challenge"), (["--kbs"], "/kbs/v0/auth"), ([], "/challenge")]
)
def test_prints_a_token(
    servers: Servers, url: str, flags: list[str], path: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of the AS, of the KBS, or of the model."""
    arguments = ["token", *flags, "--as-url", url, "--kbs-url", url, "--insecure-sample"]
    assert main(arguments) == 0
    assert capfd.readouterr().out.count(".") == 2
    assert servers.paths[0] == path
    assert main([*arguments, "--json"]) == 0
    members = json.loads(capfd.readouterr().out)
    assert members.keys() == {"token", "tee_keypair"}
    assert TEEKeyPair.from_pem(members["tee_keypair"]).public.as_json()["kty"] == "EC"


def test_prints_evidence_of_an_emulated_tee(
    tmp_path: Path, clock: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """Detected through a configfs-tsm folder that settings name."""
    report = (VECTORS / "snp" / "e2e-report-genoa-v3.bin").read_bytes()
    devices = bare_settings(tmp_path / "none") | {"tsm_report": str(tmp_path)}
    config = tmp_path / "guest.json"
    config.write_text(json.dumps({"devices": devices}))
    kernel = EmulatedTSM("sev_guest", lambda _: report)
    arguments = ["evidence", "--config", str(config), "--report-data", "ab" * 48, "--json"]
    assert main(arguments, Outside(clock, kernel)) == 0
    shown = json.loads(capfd.readouterr().out)
    assert shown["tee"] == "snp"
    assert shown["evidence"]["attestation_report"]["version"] == 3
    assert kernel.writes == [b"\xab" * 48 + bytes(16)]


def test_starts_without_what_a_command_may_need() -> None:
    """Cryptography, HTTP and attesters are loaded when used; the server's parts never."""
    code = "import sys, guest.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    loaded = set(done.stdout.decode().split())
    assert not loaded & {"cryptography", "urllib3", "guest.kbs.transport", "flask", "sqlalchemy"}
    assert not {name for name in loaded if name == "app" or name.startswith("app.")}


def test_the_program_is_the_module() -> None:
    """``python -m guest.cli`` does what the console script does, and shouts about the sample."""
    command = [sys.executable, "-m", "guest.cli", "evidence", "--insecure-sample"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert json.loads(done.stdout)["svn"] == "1"
    assert b"INSECURE" in done.stderr


def test_serves_until_it_is_told_to_stop(url: str, tmp_path: Path) -> None:
    """The whole program: a container's request, then SIGTERM, and the socket is gone."""
    path = tmp_path / "api"
    command = [sys.executable, "-m", "guest.cli", "serve", "--insecure-sample", "--kbs-url", url]
    with subprocess.Popen([*command, "--socket", str(path)], stderr=subprocess.PIPE) as program:
        assert program.stderr is not None
        lines = iter(program.stderr.readline, b"")
        assert any(f"serving resource on unix:{path}".encode() in line for line in lines)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            connection.sendall(b"GET /cdh/resource/default/demo/secret HTTP/1.1\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
        program.terminate()
        assert program.wait(20) == 0
    assert answer.endswith(SECRET)
    assert not path.exists()


def test_the_doctor_says_what_is_wrong(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    """On standard output, failures too, with the exit code of the first."""
    healthy = ["doctor", "--insecure-sample", "--kbs-url", url, URI]
    assert main(healthy) == 0
    assert "failed" not in capfd.readouterr().out
    assert main(["doctor", "--insecure-sample", "--kbs-url", "http://127.0.0.1:1", "--json"]) == 20
    findings = json.loads(capfd.readouterr().out)["findings"]
    (failed,) = [each for each in findings if each["state"] == "failed"]
    assert (failed["check"], failed["code"]) == ("kbs", "server-unreachable")


def test_refuses_to_serve_the_world(capfd: pytest.CaptureFixture[str]) -> None:
    """Before it looks for a TEE."""
    assert main(["serve", "--bind", "0.0.0.0:8006"]) == 2
    assert "loopback" in capfd.readouterr().err


@pytest.fixture
def sealing(tmp_path: Path) -> Path:
    """The file of a sealing key."""
    key = ec.generate_private_key(ec.SECP256R1())
    form = serialization.PrivateFormat.PKCS8
    path = tmp_path / "sealing.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    )
    return path


def test_seals_and_unseals(
    url: str,
    sealing: Path,
    tmp_path: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    """A name and an envelope, with a public key in the guest's folder."""
    assert main(["sealing-key", "--signing-key", str(sealing)]) == 0
    (tmp_path / "team").write_bytes(capfdbinary.readouterr().out)
    (tmp_path / "kek").write_bytes(bytes(32))
    (tmp_path / "plain").write_bytes(b"plain")
    config = tmp_path / "guest.toml"
    config.write_text(f'[sealed_secrets]\nkeys_folder = "{tmp_path}"\n')
    seal_command = ["seal", "--signing-key", str(sealing), "--kid", "team"]
    for kind, status in ((["--vault", URI], 0), (_envelope(tmp_path), 45)):
        assert main([*seal_command, *kind]) == 0
        (tmp_path / "sealed").write_bytes(capfdbinary.readouterr().out)
        guest = ["--config", str(config), "--insecure-sample", "--kbs-url", url]
        # The servers have one secret for every name, which is no key for the envelope.
        assert main(["unseal", *guest, str(tmp_path / "sealed")]) == status
        assert capfdbinary.readouterr().out == (SECRET if status == 0 else b"")


def _envelope(folder: Path) -> list[str]:
    return ["--envelope", URI, "--kek", str(folder / "kek"), str(folder / "plain")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["seal", "--envelope", URI], "--kek"),
        (["seal", "--envelope", URI, "--kek", "/nonexistent", "x"], "nonexistent"),
        (["seal", "--vault", "a/b/c"], "kbs:///"),
        (["unseal", "/nonexistent"], "nonexistent"),
        (["unseal", "/dev/zero"], "more than"),
        (["unseal", "/etc/hostname"], "sealed.<header>"),
    ],
)
def test_says_what_is_wrong_with_files(
    sealing: Path, arguments: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without attesting."""
    more = ["--signing-key", str(sealing), "--kid", "team"] if arguments[0] == "seal" else []
    assert main([*arguments, *more]) > 1
    shown = capfd.readouterr()
    assert said in shown.err
    assert shown.out == ""


def test_provides_keys(tmp_path: Path) -> None:
    """As a program that image tools start: wrapping needs nothing but the key."""
    (tmp_path / "kek").write_bytes(bytes(32))
    parameters = b64_encode(f"keyid={URI}::keypath={tmp_path / 'kek'}".encode())
    request = {
        "op": "keywrap",
        "keywrapparams": {
            "ec": {"Parameters": {"attestation-agent": [parameters]}},
            "optsdata": b64_encode(b"layer"),
        },
        "keyunwrapparams": {},
    }
    command = [sys.executable, "-m", "guest.cli", "key-provider"]
    run = partial(subprocess.run, command, capture_output=True, check=False)
    wrapped = run(input=json.dumps(request).encode())
    assert json.loads(wrapped.stdout)["keywrapresults"]["annotation"]
    assert run(input=b"{}").returncode == 43


@pytest.mark.parametrize(
    ("changed", "exit_code", "code"),
    [
        ({"volume_type": "nfs"}, 50, "mount-malformed"),
        ({"mount_point": "relative"}, 50, "mount-malformed"),
        ({"options": {"sourceType": "empty"}}, 50, "mount-malformed"),
        ({"mount_point": "/nonexistent/point"}, 53, "mount-point-unusable"),
        ({}, 51, "block-device-unusable"),
    ],
)
def test_a_volume_that_is_not_mounted_says_why(
    tmp_path: Path,
    changed: dict[str, Any],
    exit_code: int,
    code: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """With an exit code of its own, before any server is asked."""
    options = {"devicePath": "/nonexistent", "sourceType": "empty", "encryptionType": "luks2"}
    asked = {"volume_type": "block-device", "mount_point": str(tmp_path)}
    asked["options"] = {**options, "targetType": "fileSystem"}  # type: ignore[assignment]  # JSON
    (tmp_path / "volume.json").write_text(json.dumps(asked | changed))
    assert main(["secure-mount", "--json", str(tmp_path / "volume.json")]) == exit_code
    assert json.loads(capfd.readouterr().err)["error"]["code"] == code
