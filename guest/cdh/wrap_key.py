"""The encrypting side of the key provider protocol, in the layout of ``coco_keyprovider``.

Source: guest.md, section 9. What upstream gets wrong there is right here: the algorithm is read
from its own parameter, counter mode has its IV of 16 bytes, and a key id that no guest could parse
is refused instead of made up. A key is never made here, because nobody would have it afterwards.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from guest.cdh.ciphers import A256GCM, IV_BYTES, encrypt
from guest.cdh.credentials import is_below
from guest.cdh.key_packets import KeyPacket
from guest.cdh.unwrap_key import MAX_REQUEST_BYTES, WRAP, parse_request
from guest.errors import MalformedPacketError
from guest.wire.encoding import b64_decode
from guest.wire.errors import WireError
from guest.wire.json_types import JSONObject, JSONValue
from guest.wire.members import object_value, text_member
from guest.wire.resource_uri import ResourceURI
from guest.wire.strict_json import parse_json_object

# The name under which images mention this kind of provider.
PROVIDER_NAME = "attestation-agent"

V1, V2 = "v1", "v2"

_KEYS = frozenset({"keyid", "keypath", "algorithm", "packet"})
_MAX_KEY_BYTES = 32


def wrap_key(request: bytes, keys: Path | None = None) -> bytes:
    """The answer to a request that wraps: a packet as a list of integers, inside JSON.

    Args:
        request: JSON of the protocol. Its first parameter string for ``attestation-agent`` reads
            ``keyid=kbs:///…::keypath=<file of 32 bytes>::algorithm=A256GCM::packet=v1``.
        keys: the only folder whose keys are used, when whoever asks may be another user.

    Raises:
        MalformedPacketError: it is no such request, or its parameters do not fit.
        NotDecryptedError: the key has not 32 bytes.
    """
    members = parse_request(request, WRAP)
    try:
        parameters = object_value(members["keywrapparams"], "keywrapparams")
        options = b64_decode(text_member(parameters, "optsdata", limit=MAX_REQUEST_BYTES))
        settings = _settings(_parameter_string(parameters))
    except WireError as error:
        raise MalformedPacketError(f"the request to wrap: {error}") from error
    kek = _read_key(settings["keypath"], keys)
    packet = wrap(options, settings["keyid"], kek, settings.get("algorithm", A256GCM))
    is_first = settings.get("packet", V1) == V1
    text = packet.first_version() if is_first else packet.second_version()
    answer = {"keywrapresults": {"annotation": list(text)}}
    return json.dumps(answer, separators=(",", ":")).encode("ascii")


def wrap(payload: bytes, kid: str, kek: bytes, wrap_type: str) -> KeyPacket:
    """A packet that guests open with the key under ``kid``.

    Raises:
        MalformedPacketError: the key id is no resource URI, or the cipher is unknown.
        NotDecryptedError: the key has not 32 bytes.
    """
    try:
        uri = str(ResourceURI.parse(kid))
    except WireError as error:
        raise MalformedPacketError(f"keyid: {error}") from error
    if wrap_type not in IV_BYTES:
        raise MalformedPacketError(f"algorithm is none of {', '.join(IV_BYTES)}")
    iv = secrets.token_bytes(IV_BYTES[wrap_type])
    return KeyPacket(uri, encrypt(kek, payload, iv, wrap_type), iv=iv, wrap_type=wrap_type)


def is_wrap_request(request: bytes) -> bool:
    """Whether a request asks to wrap. Never raises; what is no request is not one that wraps."""
    try:
        return parse_json_object(request).get("op") == WRAP
    except WireError:
        return False


def _parameter_string(parameters: JSONObject) -> str:
    """The first parameter of our provider, decoded; the others do not count."""
    config: JSONValue = object_value(parameters.get("ec"), "ec")
    table = object_value(config.get("Parameters"), "ec.Parameters")
    given = table.get(PROVIDER_NAME)
    if not isinstance(given, list) or not given or not isinstance(given[0], str):
        raise WireError(f"it has no parameters for {PROVIDER_NAME}")
    try:
        return b64_decode(given[0]).decode("utf-8")
    except UnicodeDecodeError as error:
        raise WireError("its parameters are not text") from error


def _settings(text: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text.split("::")]
    settings = {key: value for key, _, value in pairs}
    # What is unknown may be meant to protect; ``sample`` means a key that everyone knows.
    if len(settings) != len(pairs) or not settings.keys() <= _KEYS:
        raise WireError(f"parameters are {', '.join(sorted(_KEYS))}, each once")
    if not settings.get("keyid") or not settings.get("keypath"):
        raise WireError("keyid and keypath must be given")
    if settings.get("packet", V1) not in {V1, V2}:
        raise WireError(f"packet is {V1} or {V2}")
    return settings


def _read_key(path: str, keys: Path | None) -> bytes:
    try:
        found = Path(path).resolve(strict=True)
        if keys is not None and not is_below(found, keys.resolve(strict=True)):
            raise MalformedPacketError("keypath leads out of the folder of keys")
        with found.open("rb") as file:
            return file.read(_MAX_KEY_BYTES + 1)
    except (OSError, ValueError, RuntimeError) as error:
        raise MalformedPacketError("the file of keypath cannot be read") from error
