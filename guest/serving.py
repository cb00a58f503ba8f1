"""What ``vouchgate-guest serve`` runs: one server for each way that settings open."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from guest.errors import ConfigError
from guest.listening import adopt, listen_unix
from guest.rpc.services import Services
from guest.serving_settings import NO_FEATURES
from guest.settings import Settings
from guest.wiring import Outside, Parts, build_parts

# Names that units give to the sockets that systemd opens (systemd.socket(5), FileDescriptorName).
API, AGENT, HUB = "api", "agent", "hub"


class Server(Protocol):
    """One way to this guest."""

    @property
    def place(self) -> str:
        """Where it listens, for people."""
        ...

    def serve_forever(self) -> None:
        """Answer until ``shutdown``, which another thread calls."""
        ...

    def shutdown(self) -> None:
        """Stop; calls that run may finish for a while."""
        ...


@contextmanager
def running(settings: Settings, outside: Outside) -> Iterator[list[str]]:
    """Every server that settings open, while the block runs; the places where they listen.

    Raises:
        ConfigError: settings open none, or systemd passed a socket that has no use.
        ListenError: an address or a socket cannot be listened on.
        CredentialError: a credential cannot be written.
        GuestError: this guest cannot attest, or a credential cannot be fetched; any leaf.
    """
    unknown = set(settings.inherited_sockets) - {API, AGENT, HUB}
    if unknown:
        raise ConfigError([f"FileDescriptorName: a socket is named {API}, {AGENT} or {HUB}"])
    parts = build_parts(settings, outside)
    if settings.hub.credentials:
        from guest.cdh.credentials import write_credentials

        write_credentials(settings.hub.credentials, settings.hub.credentials_folder, parts.fetch)
    with ExitStack() as stack:
        servers = list(_servers(settings, parts, outside, stack))
        if not servers:
            raise ConfigError(["api.features: nothing is served; open the API or name an rpc"])
        for server in servers:
            thread = threading.Thread(target=server.serve_forever, name=server.place, daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
        yield [server.place for server in servers]


def _servers(
    settings: Settings, parts: Parts, outside: Outside, stack: ExitStack
) -> Iterator[Server]:
    if settings.api.features != NO_FEATURES:
        from guest.rest.server import LoopbackServer

        inherited = settings.inherited_sockets.get(API)
        answer = parts.api(settings).answer
        yield stack.enter_context(LoopbackServer(settings.api, answer, outside.clock, inherited))
    rpc = settings.rpc
    agent, hub = parts.agent(may_have_key=True), parts.hub(may_mount=rpc.secure_mount)
    for name, path, services in ((AGENT, rpc.agent_socket, agent), (HUB, rpc.hub_socket, hub)):
        if path is not None or name in settings.inherited_sockets:
            yield _ttrpc(settings, name, path, services, outside, stack)
    # Over TCP nobody shows who they are.
    agent = parts.agent(may_have_key=rpc.insecure_expose_tee_key)
    hub = parts.hub(may_mount=rpc.insecure_mount_for_anyone)
    for address, services in ((rpc.agent_grpc, agent), (rpc.hub_grpc, hub)):
        if address is not None:
            from guest.rpc.grpc_server import GRPCServer

            yield GRPCServer(address, services)


def _ttrpc(
    settings: Settings,
    name: str,
    path: Path | None,
    services: Services,
    outside: Outside,
    stack: ExitStack,
) -> Server:
    from guest.ttrpc.server import TTRPCServer

    inherited = settings.inherited_sockets.get(name)
    if inherited is not None:
        listener = adopt(inherited)
    else:
        assert path is not None
        listener = listen_unix(path)
        stack.callback(path.unlink, missing_ok=True)
    uids: Collection[int] | None = settings.rpc.allowed_uids
    return TTRPCServer(listener, services, {os.geteuid()} if uids is None else uids, outside.clock)
