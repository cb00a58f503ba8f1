"""What the commands of ``vouchgate-guest`` do; the rest of the guest is loaded when one needs it.

Each takes the parsed arguments, the settings and what is outside, and returns what to print.
"""

from __future__ import annotations

import argparse
import json
import resource
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from guest.errors import ConfigError, KMSUnsupportedError
from guest.settings import PASSPORT, Settings
from guest.wire.json_types import JSONObject

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

    from guest.cdh.sealing import Sealer, Terms
    from guest.wiring import Outside

_MAX_INPUT_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Output:
    """What a command says: bytes for standard output, the same as JSON, and its exit code."""

    raw: bytes = field(repr=False)
    members: JSONObject = field(repr=False)
    exit_code: int = 0


def token(options: argparse.Namespace, settings: Settings, outside: Outside) -> Output:
    """Attest and print the token."""
    from guest.aa.agent import AS_TOKEN, KBS_TOKEN
    from guest.wiring import build_agent

    kind = options.kind or (AS_TOKEN if settings.model == PASSPORT else KBS_TOKEN)
    held = build_agent(settings, outside).get_token(kind)
    return Output(f"{held.token}\n".encode("ascii"), dict(held.as_json()))


def get_resource(options: argparse.Namespace, settings: Settings, outside: Outside) -> Output:
    """Fetch a resource and print it as it is."""
    from guest.wiring import build_agent, build_hub

    hub = build_hub(settings, build_agent(settings, outside), outside)
    return _plain("resource", hub.get_resource(options.uri))


def evidence(options: argparse.Namespace, settings: Settings, outside: Outside) -> Output:
    """Print evidence without attesting to anyone."""
    from guest.wiring import attestable

    subject = attestable(settings, outside)
    if options.of_devices:
        text = subject.collect_devices(options.report_data)
        tees = [each.tee for each in subject.beside]
        members: JSONObject = {"tees": tees, "evidence": json.loads(text or "{}")}
        return Output(f"{text}\n".encode("ascii"), members)
    made = subject.collect(options.report_data)
    text = json.dumps(made, separators=(",", ":"))
    return Output(f"{text}\n".encode("ascii"), {"tee": subject.attester.tee, "evidence": made})


def measure(options: argparse.Namespace, settings: Settings, outside: Outside) -> Output:
    """Extend a register with an event, log it, and print what the register holds since."""
    from guest.aa.events import Event
    from guest.wiring import attestable, build_measurer

    event = Event(options.domain, options.operation, options.content)
    measurer = build_measurer(settings, attestable(settings, outside))
    made = measurer.measure(event, options.pcr)
    members: JSONObject = {
        "pcr": made.pcr,
        "index": made.index,
        "algorithm": made.algorithm,
        "digest": made.digest.hex(),
        "value": made.value.hex(),
    }
    return Output(f"{made.value.hex()}\n".encode("ascii"), members)


def attestation_key(options: argparse.Namespace, settings: Settings, outside: Outside) -> Output:
    """Print the fingerprint by which verifiers enrol the attestation key of this TPM."""
    from guest.aa.attestation_key import read_attestation_key
    from guest.wire.encoding import b64_encode
    from guest.wiring import devices_of

    key = read_attestation_key(devices_of(settings, outside), make=options.make)
    members: JSONObject = {"sha256": key.fingerprint, "ak_public": b64_encode(key.encoded)}
    return Output(f"{key.fingerprint}\n".encode("ascii"), members)


def completion(options: argparse.Namespace, settings: Settings, outside: Outside) -> Output:  # noqa: ARG001  (one shape for all commands)
    """Print a script that completes commands and options in a shell."""
    from guest.completion import script

    text = script(options.shell, options.describe())
    return Output(text.encode("ascii"), {"shell": options.shell, "script": text})


def unseal(options: argparse.Namespace, settings: Settings, outside: Outside) -> Output:
    """Open a sealed secret and print it as it is."""
    from guest.wiring import build_unsealer, lazy_fetch

    # Files have a line end where the text has none.
    text = _read(options.file).decode("utf-8", "replace").strip()
    unsealer = build_unsealer(settings, lazy_fetch(settings, outside))
    return _plain("plaintext", unsealer.unseal_secret(text))


def secure_mount(options: argparse.Namespace, settings: Settings, outside: Outside) -> Output:
    """Mount a volume."""
    from guest.mounts.requests import MountRequest
    from guest.wiring import build_mounter, lazy_fetch

    request = MountRequest.parse(_read(options.file))
    build_mounter(settings, outside, lazy_fetch(settings, outside)).mount(request)
    return Output(b"", {"mount_point": request.mount_point})


def seal(options: argparse.Namespace, settings: Settings, outside: Outside) -> Output:  # noqa: ARG001  (one shape for all commands)
    """Seal a secret; needs no TEE, and no server but that of the provider."""
    from guest.cdh.sealing import KBS, Sealer, Terms

    sealer = Sealer(_sealing_key(options.signing_key), options.kid)
    given = _table(options, "provider_settings"), _table(options, "annotations")
    terms = Terms(options.provider.lower(), *given)
    if terms.provider == KBS and any(given):
        raise ConfigError(["--provider: kbs has neither settings nor annotations"])
    if options.vault is not None:
        sealed = sealer.seal_vault(options.vault, terms)
    elif terms.provider == KBS:
        if options.kek is None or options.file is None:
            raise ConfigError(["--envelope: needs --kek and the file to seal"])
        kek, plaintext = _read(options.kek), _read(options.file)
        sealed = sealer.seal_envelope(plaintext, options.envelope, kek, options.wrap_type)
    else:
        sealed = _seal_with_kms(sealer, terms, options, settings)
    return Output(f"{sealed}\n".encode("ascii"), {"sealed_secret": sealed})


def _seal_with_kms(
    sealer: Sealer, terms: Terms, options: argparse.Namespace, settings: Settings
) -> str:
    from guest.kms.ports import Encrypter
    from guest.kms.registry import opener

    if options.kek is not None or options.file is None:
        raise ConfigError(["--envelope: needs the file to seal, and no --kek but with kbs"])
    kms = opener(settings.kms, _nothing)(terms.provider, terms.settings)
    if not isinstance(kms, Encrypter):
        raise KMSUnsupportedError(f"the driver of {terms.provider} does not encrypt")
    plaintext = _read(options.file)
    return sealer.seal_with(kms, plaintext, options.envelope, terms, options.wrap_type)


def sealing_key(options: argparse.Namespace, settings: Settings, outside: Outside) -> Output:  # noqa: ARG001  (one shape for all commands)
    """Print the public key that guests verify with."""
    from guest.cdh.sealing import public_jwk

    jwk = public_jwk(_sealing_key(options.signing_key))
    return Output(f"{jwk}\n".encode("ascii"), {"jwk": json.loads(jwk)})


def key_provider(options: argparse.Namespace, settings: Settings, outside: Outside) -> Output:
    """Answer one request of ocicrypt from standard input, as its providers that are commands do."""
    from guest.cdh.unwrap_key import unwrap_key
    from guest.cdh.wrap_key import is_wrap_request, wrap_key
    from guest.kms.registry import opener
    from guest.wiring import lazy_fetch

    if options.serve is not None:
        return _serve_key_provider(options)
    request = _read(Path("-"))
    if is_wrap_request(request):
        answer = wrap_key(request, options.keys)
    else:
        fetch = lazy_fetch(settings, outside)
        answer = unwrap_key(request, fetch, opener(settings.kms, fetch))
    return Output(answer, json.loads(answer))


def _serve_key_provider(options: argparse.Namespace) -> Output:
    """Wrap for whoever asks over gRPC, with keys of one folder, until Ctrl-C or SIGTERM."""
    from guest.cdh.wrap_key import wrap_key
    from guest.rpc.grpc_server import GRPCServer
    from guest.rpc.key_provider_service import KeyProviderService

    if options.keys is None:
        raise ConfigError(["--keys: the folder of keys, because over TCP nobody shows who asks"])
    if not options.keys.is_dir():
        raise ConfigError([f"--keys: {options.keys} is no folder"])
    service = KeyProviderService(lambda request: wrap_key(request, options.keys))
    server = GRPCServer(options.serve, service.services())
    _prepare_to_serve()
    with suppress(KeyboardInterrupt):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stderr.write(f"vouchgate-guest: wrapping on {server.place}\n")
        sys.stderr.flush()
        threading.Event().wait()
    server.shutdown()
    return Output(b"", {"served": [server.place]})


def serve(options: argparse.Namespace, settings: Settings, outside: Outside) -> Output:  # noqa: ARG001  (one shape for all commands)
    """Serve what settings open until Ctrl-C or SIGTERM."""
    from guest.serving import running

    _prepare_to_serve()
    served: list[str] = []
    with suppress(KeyboardInterrupt), running(settings, outside) as places:
        served += places
        where = ", ".join(served)
        sys.stderr.write(f"vouchgate-guest: serving {settings.api.features} on {where}\n")
        sys.stderr.flush()
        threading.Event().wait()
    return Output(b"", {"served": list(served)})


def _prepare_to_serve() -> None:
    # Secrets are in memory: a crash must not write them to the disk.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Both signals end the wait from within, so that calls finish and sockets are removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def doctor(options: argparse.Namespace, settings: Settings, outside: Outside) -> Output:
    """Check the guest from the hardware to the servers."""
    from guest.doctor import examine, exit_code

    findings = list(examine(settings, outside, options.uri))
    text = "".join(f"{finding}\n" for finding in findings)
    members: JSONObject = {"findings": [finding.as_json() for finding in findings]}
    return Output(text.encode("utf-8"), members, exit_code(findings))


def _plain(name: str, plaintext: bytes) -> Output:
    from guest.wire.encoding import b64_encode

    return Output(plaintext, {name: b64_encode(plaintext)})


def _sealing_key(path: Path) -> ec.EllipticCurvePrivateKey:
    from guest.cdh.sealing import load_sealing_key
    from guest.wire.errors import WireError

    try:
        return load_sealing_key(_read(path))
    except WireError as error:
        raise ConfigError([f"{path}: {error}"]) from error


def _table(options: argparse.Namespace, name: str) -> JSONObject:
    """A JSON object that was typed."""
    from guest.wire.errors import WireError
    from guest.wire.strict_json import parse_json_object

    try:
        return parse_json_object(getattr(options, name))
    except WireError as error:
        raise ConfigError([f"--{name.replace('_', '-')}: {error}"]) from error


def _nothing(uri: str) -> bytes:
    """Whoever seals has no guest that would fetch."""
    raise KMSUnsupportedError(f"{uri} is not fetched to seal")


def _read(path: Path) -> bytes:
    """A file, or standard input for ``-``; at most 4 MiB."""
    try:
        if path == Path("-"):
            data = sys.stdin.buffer.read(_MAX_INPUT_BYTES + 1)
        else:
            with path.open("rb") as file:
                data = file.read(_MAX_INPUT_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no path"
        raise ConfigError([f"{path}: {reason}"]) from error
    if len(data) > _MAX_INPUT_BYTES:
        raise ConfigError([f"{path}: has more than {_MAX_INPUT_BYTES} bytes"])
    return data
