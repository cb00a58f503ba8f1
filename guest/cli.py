"""``vouchgate-guest``: tokens, resources and evidence from the command line of a guest.

Results go to standard output, everything else to standard error. The exit code tells the reason
(``guest/errors.py``); 2 is a fault of the arguments or settings.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from guest import commands as do
from guest.commands import Output
from guest.errors import ConfigError, GuestError, RefusedError
from guest.sections import Section
from guest.serving_settings import loopback_address
from guest.settings import MODELS, Settings, load_settings
from guest.wire.json_types import JSONObject

if TYPE_CHECKING:
    # The rest of the guest is loaded when a command needs it, so that --help is quick.
    from guest.wiring import Outside

PROGRAM = "vouchgate-guest"
WRAP_TYPES = ("A256GCM", "A256CTR")
FEATURES = ("resource", "attestation", "all", "none")
SHELLS = ("bash", "zsh", "fish")

# Where other commands have no option of that name.
_SERVING = (
    "bind",
    "socket",
    "features",
    "agent_socket",
    "hub_socket",
    "agent_grpc",
    "hub_grpc",
    "peer_agent",
    "peer_hub",
)

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001  (argparse names it in no other way)


def main(arguments: Sequence[str] | None = None, outside: Outside | None = None) -> int:
    """Run one command; the exit code.

    Args:
        arguments: of the command line; those of the process when ``None``.
        outside: clock and filesystem; the machine's own when ``None``.
    """
    options = _parser().parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, format=f"{PROGRAM}: %(levelname)s %(message)s")
    try:
        settings = load_settings(options.config, _overrides(options))
        logging.getLogger("guest").setLevel(settings.log_level.upper())
        run: Callable[[argparse.Namespace, Settings, Outside], Output] = options.run
        output = run(options, settings, outside or _machine())
    except GuestError as error:
        logging.getLogger(__name__).debug("failed", exc_info=error)
        _explain(error, as_json=options.json)
        return error.exit_code
    _say(output, as_json=options.json)
    return output.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Attest this guest and fetch its secrets.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_attesting(commands)
    _add_serving(commands)
    _add_sealing(commands)
    return parser


def _add_attesting(commands: Commands) -> None:
    token = _command(commands, "token", do.token, "attest and print the token")
    kind = token.add_mutually_exclusive_group()
    kind.add_argument(
        "--as", dest="kind", action="store_const", const="coco_as", help="of the AS (passport)"
    )
    kind.add_argument("--kbs", dest="kind", action="store_const", const="kbs", help="of the KBS")
    resource = _command(commands, "get-resource", do.get_resource, "fetch a secret and print it")
    resource.add_argument("uri", metavar="URI", help="kbs:///repository/type/tag")
    evidence = _command(commands, "evidence", do.evidence, "print evidence, unattested")
    evidence.add_argument(
        "--report-data",
        type=_hex,
        default=bytes(64),
        metavar="HEX",
        help="what to bind, at most 64 bytes; zeros by default",
    )
    evidence.add_argument(
        "--devices", dest="of_devices", action="store_true", help="of the devices beside the TEE"
    )
    _add_measuring(commands)


def _add_measuring(commands: Commands) -> None:
    summary = "extend a register with an event, and log it"
    measure = _command(commands, "measure", do.measure, summary)
    measure.add_argument("domain", metavar="DOMAIN", help="whose event it is, like a host's name")
    measure.add_argument("operation", metavar="OPERATION", help="what was done")
    measure.add_argument("content", metavar="CONTENT", help="with what: one line, JSON by custom")
    measure.add_argument(
        "--pcr", type=int, choices=range(24), metavar="NUMBER", help="0 to 23; of the settings else"
    )
    summary = "print the SHA-256 by which verifiers enrol the key of this TPM"
    key = _command(commands, "attestation-key", do.attestation_key, summary)
    key.add_argument("--make", action="store_true", help="make the key where there is none")


def _add_serving(commands: Commands) -> None:
    serve = _command(commands, "serve", do.serve, "serve resources to containers on loopback")
    serve.add_argument("--bind", metavar="ADDRESS", help="127.0.0.1:8006; loopback only")
    serve.add_argument("--socket", metavar="PATH", help="a Unix socket instead")
    add = serve.add_argument
    add("--features", choices=FEATURES, help="of the API; resource by default")
    add("--agent-socket", metavar="PATH", help="serve the Attestation Agent's ttrpc here")
    add("--hub-socket", metavar="PATH", help="serve the Confidential Data Hub's ttrpc here")
    add("--agent-grpc", metavar="ADDRESS", help="serve its gRPC here; loopback only")
    add("--hub-grpc", metavar="ADDRESS", help="serve its gRPC here; loopback only")
    add("--peer-agent", metavar="PATH", help="ask the stock Attestation Agent at this socket")
    add("--peer-hub", metavar="PATH", help="ask the stock Confidential Data Hub at this socket")

    summary = "mount an encrypted disk or a bucket"
    mount = _command(commands, "secure-mount", do.secure_mount, summary)
    mount.add_argument("file", type=Path, metavar="FILE", help="the request, JSON; - is stdin")

    summary = "check this guest from the hardware to the servers"
    doctor = _command(commands, "doctor", do.doctor, summary)
    doctor.add_argument("uri", nargs="?", metavar="URI", help="a resource to try, not to print")

    summary = "print a script that completes commands and options"
    completion = _command(commands, "completion", do.completion, summary)
    completion.add_argument("shell", choices=SHELLS, metavar="SHELL", help="bash, zsh or fish")
    completion.set_defaults(describe=_parser)


def _add_sealing(commands: Commands) -> None:
    unseal = _command(commands, "unseal", do.unseal, "open a sealed secret and print it")
    unseal.add_argument("file", type=Path, metavar="FILE", help="the sealed secret; - is stdin")
    _add_seal(commands)
    key = _command(commands, "sealing-key", do.sealing_key, "print the public key of a sealing key")
    key.add_argument("--signing-key", type=Path, required=True, metavar="PEM", help="on P-256")
    summary = "answer one request of ocicrypt, from standard input"
    provider = _command(commands, "key-provider", do.key_provider, summary)
    provider.add_argument(
        "--serve", type=_loopback, metavar="ADDRESS", help="wrap over gRPC instead; loopback only"
    )
    provider.add_argument(
        "--keys", type=Path, metavar="FOLDER", help="the only one whose keys are used to wrap"
    )


def _add_seal(commands: Commands) -> None:
    seal = _command(commands, "seal", do.seal, "seal a secret for guests; needs no TEE")
    add = seal.add_argument
    add("--signing-key", type=Path, required=True, metavar="PEM", help="on P-256")
    add("--kid", required=True, metavar="ID", help="where guests find the public key")
    kind = seal.add_mutually_exclusive_group(required=True)
    kind.add_argument("--vault", metavar="NAME", help="seal this name: a URI, or the provider's")
    kind.add_argument("--envelope", metavar="KEY", help="seal FILE under this key: likewise")
    add("--kek", type=Path, metavar="KEYFILE", help="that key, 32 bytes; of the KBS only")
    add("--wrap-type", choices=WRAP_TYPES, default=WRAP_TYPES[0], help="cipher of the envelope")
    add("--provider", default="kbs", metavar="NAME", help="who has the key or secret; kbs")
    add("--provider-settings", default="{}", metavar="JSON", help="with which guests ask it")
    add("--annotations", default="{}", metavar="JSON", help="what it binds, or chooses by")
    add("--credentials", metavar="FOLDER", help="with which it is asked here")
    add("file", type=Path, nargs="?", metavar="FILE", help="what to seal; - is stdin")


def _command(
    commands: Commands,
    name: str,
    run: Callable[[argparse.Namespace, Settings, Outside], Output],
    summary: str,
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
    command.set_defaults(run=run, kind=None, credentials=None, **dict.fromkeys(_SERVING))
    add = command.add_argument
    add("--config", type=Path, metavar="FILE", help="settings in TOML, or JSON (*.json)")
    add("--as-url", metavar="URL", help="of the Attestation Service")
    add("--kbs-url", metavar="URL", help="of the Key Broker Service")
    add("--as-cert", metavar="FILE", help="root certificates of the AS, PEM")
    add("--kbs-cert", metavar="FILE", help="root certificates of the KBS, PEM")
    add("--model", choices=MODELS, help="passport when an AS is given, else background-check")
    add("--tee", metavar="NAME", help="instead of detecting the TEE")
    add("--insecure-sample", action="store_true", help="allow the sample TEE, which proves nothing")
    add("--json", action="store_true", help="print JSON, errors too")
    return command


def _overrides(options: argparse.Namespace) -> JSONObject:
    """The flags in the shape of the configuration file."""
    services = {
        "coco_as": _given(url=options.as_url, cert=options.as_cert),
        "kbs": _given(url=options.kbs_url, cert=options.kbs_cert),
    }
    return _given(
        model=options.model,
        tee=options.tee,
        insecure_sample=options.insecure_sample or None,
        token_configs=_given(**{name: service or None for name, service in services.items()})
        or None,
        api=_given(bind=options.bind, socket=options.socket, features=options.features) or None,
        rpc=_given(
            agent_socket=options.agent_socket,
            hub_socket=options.hub_socket,
            agent_grpc=options.agent_grpc,
            hub_grpc=options.hub_grpc,
        )
        or None,
        peers=_given(agent_socket=options.peer_agent, hub_socket=options.peer_hub) or None,
        kms={options.provider.lower(): {"credentials_folder": options.credentials}}
        if options.credentials
        else None,
    )


def _given(**values: object) -> JSONObject:
    return {name: value for name, value in values.items() if value is not None}


def _hex(text: str) -> bytes:
    try:
        value = bytes.fromhex(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError("is not hexadecimal") from error
    if len(value) > 64:
        raise argparse.ArgumentTypeError("has more than 64 bytes")
    return value


def _loopback(text: str) -> tuple[str, int]:
    faults: list[str] = []
    address = loopback_address(Section({}, faults), "address", text)
    if faults:
        raise argparse.ArgumentTypeError("must read <loopback address>:<port>")
    return address


def _machine() -> Outside:
    from guest.wiring import Outside

    return Outside()


def _say(output: Output, *, as_json: bool) -> None:
    text = f"{json.dumps(output.members)}\n".encode("ascii")
    sys.stdout.buffer.write(text if as_json else output.raw)
    sys.stdout.buffer.flush()


def _explain(error: GuestError, *, as_json: bool) -> None:
    members: JSONObject = {"code": error.code, "detail": str(error)}
    if isinstance(error, RefusedError):
        given = {"reason": error.reason, "decision": error.decision_id}
        members |= {"status": error.status, **{k: v for k, v in given.items() if v}}
    if isinstance(error, ConfigError):
        members["faults"] = list(error.faults)
    if as_json:
        sys.stderr.write(f"{json.dumps({'error': members})}\n")
        return
    sys.stderr.write(f"{PROGRAM}: {error.code}: {error}\n")
    for name in ("reason", "decision"):
        if name in members:
            sys.stderr.write(f"  {name}: {members[name]}\n")


if __name__ == "__main__":
    sys.exit(main())
