"""The same services over gRPC, which needs the extra ``rpc`` of this package.

Over TCP nobody shows who they are: it listens on loopback, and hands out no private key unless
settings say so.
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from guest.errors import ConfigError, ListenError
from guest.rpc.protobuf import MAX_MESSAGE_BYTES
from guest.rpc.services import Method, Services, StatusError

try:
    import grpc
except ImportError as error:
    raise ConfigError(["rpc: gRPC needs vouchgate-guest[rpc]"]) from error

MAX_CALLS = 64
GRACE_SECONDS = 5.0


class GRPCServer:
    """Serves on one address until it is shut down."""

    def __init__(self, address: tuple[str, int], services: Services) -> None:
        """Listen.

        Raises:
            ListenError: the address is not on loopback, or cannot be listened on.
        """
        host, port = address
        if not ipaddress.ip_address(host).is_loopback:
            raise ListenError("gRPC listens on loopback addresses only")
        self._is_ending = threading.Event()
        self._server = grpc.server(
            ThreadPoolExecutor(MAX_CALLS, thread_name_prefix="grpc"),
            options=[
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.so_reuseport", 0),
            ],
            maximum_concurrent_rpcs=MAX_CALLS,
        )
        self._server.add_generic_rpc_handlers(
            tuple(_handlers(name, methods) for name, methods in services.items())
        )
        bracketed = f"[{host}]" if ":" in host else host
        try:
            self.port = int(self._server.add_insecure_port(f"{bracketed}:{port}"))
        except RuntimeError as error:
            raise ListenError(f"gRPC cannot listen on {bracketed}:{port}") from error
        self.place = f"grpc:{bracketed}:{self.port}"

    def serve_forever(self) -> None:
        """Answer until ``shutdown``."""
        self._server.start()
        self._is_ending.wait()

    def shutdown(self) -> None:
        """Take no more, let calls that run finish within ``GRACE_SECONDS``, and close."""
        self._server.stop(GRACE_SECONDS).wait()
        self._is_ending.set()


def _handlers(service: str, methods: Mapping[str, Method]) -> grpc.GenericRpcHandler:
    # Without (de)serializers messages stay bytes; they are the services' to read.
    answers = {
        name: grpc.unary_unary_rpc_method_handler(_answering(method))
        for name, method in methods.items()
    }
    return grpc.method_handlers_generic_handler(service, answers)


def _answering(method: Method) -> Callable[[bytes, grpc.ServicerContext], bytes]:
    codes = {code.value[0]: code for code in grpc.StatusCode}

    def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            return method.call(request)
        except StatusError as error:
            context.set_code(codes[error.code])
            context.set_details(error.message)
            return b""

    return answer
