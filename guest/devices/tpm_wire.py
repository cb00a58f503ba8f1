"""The encoding of TPM 2.0 commands and responses (TPM 2.0 Library, parts 1 and 2); big endian."""

from __future__ import annotations

import struct

from guest.errors import DeviceError

NO_SESSIONS = 0x8001
SESSIONS = 0x8002

_PASSWORD_SESSION = 0x40000009
# Handle, empty nonce, no attributes, empty password (part 1, section 19.4).
_EMPTY_PASSWORD = struct.pack(">IHBH", _PASSWORD_SESSION, 0, 0, 0)

# Part 2, section 6.6: what is worth a sentence; of format-one codes the low bits.
_FORMAT_ONE = 0x80
_RESPONSES = {
    0x100: "it was not started; the firmware has to do that",
    0x101: "it is in failure mode",
    0x120: "the command is disabled",
    0x143: "it does not know the command",
    0x149: "the NV index is locked",
    0x14A: "the NV index was never written",
    0x14C: "the NV index is defined already",
    0x907: "the register does not take this from where the operating system runs (locality)",
    0x920: "NV memory is written too often",
    0x921: "it is locked out after failed authorizations",
    0x923: "NV memory is not accessible now",
}
_FORMAT_ONE_RESPONSES = {
    0x82: "an attribute does not fit",
    0x83: "it does not know the hash algorithm",
    0x84: "a value is out of range or does not fit",
    0x85: "the hierarchy is not enabled",
    0x8B: "there is no such handle",
    0x8E: "a password is set, and this guest knows none",
    0x92: "the scheme does not fit the key",
    0x95: "a structure has the wrong size",
    0xA2: "a password is set, and this guest knows none",
}
# "Not now" (part 2, table 16): yielded, cancelled, testing, retry.
RETRY_CODES = frozenset({0x908, 0x909, 0x90A, 0x922})
_HANDLE = 0x8B
_ERROR_BITS = 0xBF


class TPMRefusedError(DeviceError):
    """The TPM answered with a response code other than success.

    Attributes:
        response_code: TPM_RC.
    """

    def __init__(self, command: str, response_code: int) -> None:
        super().__init__(
            f"the TPM refused {command} ({response_code:#x}): {_sentence(response_code)}"
        )
        self.response_code = response_code

    @property
    def is_missing(self) -> bool:
        """Whether a handle or NV index of the command does not exist."""
        return self.response_code & _ERROR_BITS == _HANDLE and bool(
            self.response_code & _FORMAT_ONE
        )


class ResponseReader:
    """Reads the fields of a response, in order and to the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        """The next bytes.

        Raises:
            DeviceError: there are not so many.
        """
        end = self._at + size
        if end > len(self._data):
            raise DeviceError("the TPM's response is shorter than its fields")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def number(self, size: int) -> int:
        """The next number of ``size`` bytes.

        Raises:
            DeviceError: it is cut off.
        """
        return int.from_bytes(self.take(size), "big")

    def sized(self) -> bytes:
        """The next TPM2B: a size of two bytes, then so many.

        Raises:
            DeviceError: it is cut off.
        """
        return self.take(self.number(2))

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._data) - self._at)

    def end(self) -> None:
        """Nothing is left.

        Raises:
            DeviceError: something is.
        """
        if self._at != len(self._data):
            raise DeviceError("the TPM's response is longer than its fields")


def command(code: int, handles: list[int], parameters: bytes, authorizations: int = 0) -> bytes:
    """A command.

    Args:
        code: TPM_CC.
        handles: in the order of the command.
        parameters: encoded.
        authorizations: how many of the handles need one; each gets an empty password.
    """
    body = b"".join(number(handle, 4) for handle in handles)
    if authorizations:
        area = _EMPTY_PASSWORD * authorizations
        body += number(len(area), 4) + area
    body += parameters
    tag = SESSIONS if authorizations else NO_SESSIONS
    return struct.pack(">HII", tag, 10 + len(body), code) + body


def response(data: bytes, name: str, handles: int) -> tuple[list[int], ResponseReader]:
    """The handles and the parameters of a response.

    Args:
        data: header and all.
        name: of the command, for messages.
        handles: how many there are in a response of success.

    Raises:
        TPMRefusedError: the code is not success.
        DeviceError: it is malformed.
    """
    reader = ResponseReader(data)
    tag, _, code = reader.number(2), reader.number(4), reader.number(4)
    if code:
        raise TPMRefusedError(name, code)
    found = [reader.number(4) for _ in range(handles)]
    if tag == SESSIONS:
        parameters = reader.take(reader.number(4))
        reader.sized()  # the session's nonce
        reader.number(1)  # its attributes
        reader.sized()  # its HMAC; a password has none
        reader.end()
        return found, ResponseReader(parameters)
    if tag != NO_SESSIONS:
        raise DeviceError("the TPM's response is of no known form")
    return found, ResponseReader(reader.rest())


def number(value: int, size: int) -> bytes:
    """A big-endian number."""
    return value.to_bytes(size, "big")


def sized(data: bytes) -> bytes:
    """A TPM2B."""
    return number(len(data), 2) + data


def _sentence(code: int) -> str:
    if code & _FORMAT_ONE:
        # The other bits say which handle, session or parameter was meant.
        return _FORMAT_ONE_RESPONSES.get(code & _ERROR_BITS, "an argument does not suit it")
    return _RESPONSES.get(code, "see TPM_RC in TPM 2.0 Library, part 2")
