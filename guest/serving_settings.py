"""How this guest is reached, and which stock daemons it reaches: settings of ``serve``."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from guest.sections import Section

# Features of the API, as upstream names them.
RESOURCE = "resource"
ATTESTATION = "attestation"
ALL_FEATURES = "all"
NO_FEATURES = "none"
DEFAULT_BIND = "127.0.0.1:8006"

_UNIX_SCHEME = "unix://"
# The number that stands for "no user" (Linux, uid_t of 32 bits).
_MAX_UID = 2**32 - 2


@dataclass(frozen=True, slots=True)
class APISettings:
    """How containers reach the guest.

    Attributes:
        host: loopback address to listen on.
        port: to listen on.
        socket: path of a Unix socket to listen on instead.
        allowed_uids: users that may use the socket; ``None`` for the guest's own.
        features: ``resource``, ``attestation`` or ``all``; ``none`` serves no API.
        insecure_expose_tee_key: hand the TEE's private key to whoever asks for a token.
    """

    host: str = "127.0.0.1"
    port: int = 8006
    socket: Path | None = None
    allowed_uids: frozenset[int] | None = None
    features: str = RESOURCE
    insecure_expose_tee_key: bool = False


@dataclass(frozen=True, slots=True)
class RPCSettings:
    """How programs of stock guests reach this one; nothing of it is served unless it is named.

    Attributes:
        agent_socket: Unix socket of the Attestation Agent's ttrpc.
        hub_socket: Unix socket of the Confidential Data Hub's ttrpc.
        agent_grpc: loopback host and port of the Attestation Agent's gRPC.
        hub_grpc: loopback host and port of the Confidential Data Hub's gRPC.
        allowed_uids: users that may use the sockets; ``None`` for the guest's own.
        insecure_expose_tee_key: hand the TEE's private key to whoever reaches gRPC.
        secure_mount: mount volumes for users of the hub's socket, who can format disks with it.
        insecure_mount_for_anyone: mount them for whoever reaches the hub's gRPC, too.
    """

    agent_socket: Path | None = None
    hub_socket: Path | None = None
    agent_grpc: tuple[str, int] | None = None
    hub_grpc: tuple[str, int] | None = None
    allowed_uids: frozenset[int] | None = None
    insecure_expose_tee_key: bool = False
    secure_mount: bool = False
    insecure_mount_for_anyone: bool = False


@dataclass(frozen=True, slots=True)
class PeerSettings:
    """Daemons of a stock guest that are asked over ttrpc.

    Attributes:
        agent_socket: of the Attestation Agent that attests instead of this guest.
        hub_socket: of the Confidential Data Hub that brings resources instead of this guest.
    """

    agent_socket: Path | None = None
    hub_socket: Path | None = None


def parse_rpc(section: Section | None) -> RPCSettings:
    """The table ``rpc``."""
    if section is None:
        return RPCSettings()
    uids = section.numbers("allowed_uids", _MAX_UID)
    parsed = RPCSettings(
        agent_socket=_socket_path(section, "agent_socket"),
        hub_socket=_socket_path(section, "hub_socket"),
        agent_grpc=_grpc_address(section, "agent_grpc"),
        hub_grpc=_grpc_address(section, "hub_grpc"),
        allowed_uids=None if uids is None else frozenset(uids),
        insecure_expose_tee_key=section.flag("insecure_expose_tee_key"),
        secure_mount=section.flag("secure_mount"),
        insecure_mount_for_anyone=section.flag("insecure_mount_for_anyone"),
    )
    section.close()
    if parsed.insecure_mount_for_anyone and not parsed.secure_mount:
        section.fault("insecure_mount_for_anyone", "needs secure_mount")
    return parsed


def parse_peers(section: Section | None) -> PeerSettings:
    """The table ``peers``."""
    if section is None:
        return PeerSettings()
    parsed = PeerSettings(
        _socket_path(section, "agent_socket"), _socket_path(section, "hub_socket")
    )
    section.close()
    return parsed


def parse_api(section: Section | None) -> APISettings:
    """The table ``api``."""
    if section is None:
        return APISettings()
    bind, socket = section.text("bind"), section.text("socket")
    uids = section.numbers("allowed_uids", _MAX_UID)
    features = section.choice("features", (RESOURCE, ATTESTATION, ALL_FEATURES, NO_FEATURES))
    expose = section.flag("insecure_expose_tee_key")
    section.close()
    if bind and socket:
        section.fault("bind", "cannot be together with socket")
    if uids is not None and not socket:
        section.fault("allowed_uids", "needs socket; over TCP nobody shows who they are")
    host, port = loopback_address(section, "bind", bind or DEFAULT_BIND)
    return APISettings(
        host,
        port,
        Path(socket) if socket else None,
        None if uids is None else frozenset(uids),
        features or RESOURCE,
        expose,
    )


def _socket_path(section: Section, key: str) -> Path | None:
    """A path, which stock configurations write with a scheme before it."""
    text = section.text(key)
    if text is None:
        return None
    path = text.removeprefix(_UNIX_SCHEME)
    if not path.startswith("/") or "\0" in path:
        section.fault(key, "must be the absolute path of a Unix socket")
    return Path(path)


def _grpc_address(section: Section, key: str) -> tuple[str, int] | None:
    text = section.text(key)
    return None if text is None else loopback_address(section, key, text)


def loopback_address(section: Section, key: str, bind: str) -> tuple[str, int]:
    """A loopback address and a port from ``<address>:<port>``; faults are noted."""
    host, _, port = bind.rpartition(":")
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else -1
    except ValueError:
        section.fault(key, "must read <loopback address>:<port>")
        return "127.0.0.1", 0
    if not address.is_loopback:
        section.fault(key, "must be a loopback address; others would reach the guest's secrets")
    if not 0 <= number <= 65535:
        section.fault(key, "must end in a port from 0 to 65535")
    return str(address), number
