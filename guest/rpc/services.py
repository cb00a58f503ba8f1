"""Services as tables of methods from message to message, whichever protocol carries them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from guest.errors import GuestError
from guest.rpc.protobuf import Fields, MalformedMessageError

# From the fields of a request to the bytes of a response.
Answer: TypeAlias = Callable[[Fields], bytes]

_log = logging.getLogger(__name__)


class Code(IntEnum):
    """Status codes of gRPC, which ttrpc shares."""

    OK = 0
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14


class StatusError(Exception):
    """A call is not answered with a message.

    Attributes:
        code: why.
        message: in words, for logs of the caller.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Method:
    """One method.

    Attributes:
        answer: makes the response; may raise any ``GuestError``.
        failure: the words that stock guests' programs answer when it fails.
    """

    answer: Answer
    failure: str

    def call(self, request: bytes) -> bytes:
        """The response to a request.

        Raises:
            StatusError: the request is no message, or the method failed; its message ends in the
                reason code, and says no more, because callers are less trusted than the log.
        """
        try:
            return self.answer(Fields(request))
        except MalformedMessageError as error:
            raise StatusError(Code.INVALID_ARGUMENT, f"malformed request: {error}") from error
        except GuestError as error:
            _log.info("%s: %s", self.failure, error.code)
            raise StatusError(Code.INTERNAL, f"{self.failure}: {error.code}") from error


# By the name of the package and the service, then by that of the method.
Services: TypeAlias = Mapping[str, Mapping[str, Method]]


def find_method(services: Services, service: str, name: str) -> Method:
    """A method.

    Raises:
        StatusError: there is none, in the words of stock ttrpc servers.
    """
    method = services.get(service, {}).get(name)
    if method is None:
        raise StatusError(Code.NOT_FOUND, f"/{service}/{name} is not supported")
    return method
