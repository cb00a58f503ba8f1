"""The key provider protocol of ocicrypt: unwrapping in the guest (guest.md, section 7.4)."""

from __future__ import annotations

import json

from guest.cdh.key_packets import KeyPacket
from guest.errors import MalformedPacketError
from guest.kms.ports import ResourceFetcher
from guest.kms.registry import KMSOpener
from guest.wire.encoding import b64_decode
from guest.wire.errors import WireError
from guest.wire.json_types import JSONObject
from guest.wire.members import object_value, text_member
from guest.wire.strict_json import parse_json_object

MAX_REQUEST_BYTES = 4 * 1024 * 1024
UNWRAP = "keyunwrap"
WRAP = "keywrap"


def unwrap_key(request: bytes, fetch: ResourceFetcher, kms: KMSOpener | None = None) -> bytes:
    """The answer to a request that unwraps, as JSON with the payload as a list of integers.

    Args:
        request: JSON of the protocol; of it, the annotation is used.
        fetch: brings the key.
        kms: opens key management services, where the packet names one; as settings that say nothing
            when ``None``.

    Raises:
        MalformedPacketError: it is no such request, or its annotation is no packet.
        UnknownProviderError, NotDecryptedError: as ``KeyPacket.open``.
        GuestError: the key could not be fetched.
    """
    members = parse_request(request, UNWRAP)
    try:
        parameters = object_value(members["keyunwrapparams"], "keyunwrapparams")
        annotation = text_member(parameters, "annotation", limit=MAX_REQUEST_BYTES)
        packet = b64_decode(annotation)
    except WireError as error:
        raise MalformedPacketError(f"the request to unwrap: {error}") from error
    payload = KeyPacket.parse(packet).open(fetch, kms)
    answer = {"keyunwrapresults": {"optsdata": list(payload)}}
    return json.dumps(answer, separators=(",", ":")).encode("ascii")


def parse_request(request: bytes, operation: str) -> JSONObject:
    """A request of the protocol; its three members are there, and nothing more is known of them.

    Raises:
        MalformedPacketError: it is none, or asks for another operation.
    """
    if len(request) > MAX_REQUEST_BYTES:
        raise MalformedPacketError(f"a request has at most {MAX_REQUEST_BYTES} bytes")
    try:
        members = parse_json_object(request)
    except WireError as error:
        raise MalformedPacketError(f"the request of the key provider: {error}") from error
    if not {"op", "keywrapparams", "keyunwrapparams"} <= members.keys():
        raise MalformedPacketError("a request has op, keywrapparams and keyunwrapparams")
    if members["op"] != operation:
        raise MalformedPacketError(f"the operation of the request is not {operation}")
    return members
