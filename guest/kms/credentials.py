"""Credentials of services: small files in a folder of their provider.

They get there by ``[[credentials]]`` of the guest's settings, from the Key Broker Service, or lie
with whoever seals. A sealed secret may name one of several by an id, and never a path.
"""

from __future__ import annotations

from pathlib import Path

from guest.errors import KMSCredentialsError
from guest.kms.wiping import wipe
from guest.wire.errors import WireError
from guest.wire.json_types import JSONObject
from guest.wire.members import optional_text_member, text_member
from guest.wire.strict_json import parse_json_object

MAX_BYTES = 64 * 1024

_VALUE_LIMIT = 16 * 1024


def read_credentials(folder: Path, name: str) -> bytearray:
    """The file of this name; the caller wipes it.

    Raises:
        KMSCredentialsError: it is not there, cannot be read, is empty or too large.
    """
    path = folder / name
    try:
        with path.open("rb", buffering=0) as file:
            data = bytearray(MAX_BYTES + 1)
            del data[file.readinto(data) :]
    except OSError as error:
        raise KMSCredentialsError(f"{path}: {error.strerror}") from error
    if not 0 < len(data) <= MAX_BYTES:
        raise KMSCredentialsError(f"{path}: has not between 1 and {MAX_BYTES} bytes")
    return data


def read_members(folder: Path, name: str) -> JSONObject:
    """The same, when it is a JSON object; Python keeps its values until they are reused.

    Raises:
        KMSCredentialsError: as ``read_credentials``, or it is no JSON object.
    """
    data = read_credentials(folder, name)
    try:
        return parse_json_object(bytes(data))
    except WireError as error:
        raise KMSCredentialsError(f"{folder / name}: {error}") from error
    finally:
        wipe(data)


def credential(members: JSONObject, name: str) -> str:
    """A text that credentials must have.

    Raises:
        KMSCredentialsError: it is missing, empty, or something else.
    """
    try:
        value = text_member(members, name, limit=_VALUE_LIMIT)
    except WireError as error:
        raise KMSCredentialsError(f"the credentials: {error}") from error
    if not value:
        raise KMSCredentialsError(f"the credentials: the member {name} is empty")
    return value


def optional_credential(members: JSONObject, name: str) -> str | None:
    """A text that credentials may have.

    Raises:
        KMSCredentialsError: it is something else.
    """
    try:
        return optional_text_member(members, name, limit=_VALUE_LIMIT)
    except WireError as error:
        raise KMSCredentialsError(f"the credentials: {error}") from error
