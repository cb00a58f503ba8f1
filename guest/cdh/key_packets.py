"""Annotation packets: how the key of an encrypted image layer travels (guest.md, section 7.4).

The first version has no version member and is read as the second with its defaults.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from guest.cdh.ciphers import IV_BYTES, decrypt
from guest.errors import MalformedPacketError
from guest.kms.ports import ResourceFetcher
from guest.kms.registry import KMSOpener, opener
from guest.kms.wiping import wiping
from guest.kms_settings import KMSSettings
from guest.wire.encoding import b64_decode, b64_encode
from guest.wire.errors import WireError
from guest.wire.json_types import JSONObject
from guest.wire.members import object_value, optional_text_member, text_member
from guest.wire.strict_json import parse_json_object

VERSION = "0.1.0"
KBS = "kbs"

_NAME_LIMIT = 4096
_DATA_LIMIT = 1024 * 1024


@dataclass(frozen=True, slots=True)
class KeyPacket:
    """A wrapped payload and what opens it.

    Attributes:
        kid: of the key: a resource URI, or what another provider calls it.
        wrapped_data: the encrypted payload.
        provider: of the key.
        iv: 12 or 16 bytes; ``b""`` where the provider needs none.
        wrap_type: the cipher; ``""`` where the provider needs none.
        settings: of the provider.
        annotations: of the provider.
    """

    kid: str
    wrapped_data: bytes = field(repr=False)
    provider: str = KBS
    iv: bytes = b""
    wrap_type: str = ""
    settings: JSONObject = field(default_factory=dict, repr=False)
    annotations: JSONObject = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, text: bytes) -> KeyPacket:
        """A packet of either version.

        Raises:
            MalformedPacketError: it is none, or lacks what its provider needs.
        """
        try:
            packet = cls._from_members(parse_json_object(text))
        except WireError as error:
            raise MalformedPacketError(f"the key packet: {error}") from error
        if packet.provider == KBS and (
            packet.wrap_type not in IV_BYTES or len(packet.iv) != IV_BYTES[packet.wrap_type]
        ):
            raise MalformedPacketError(
                f"the key packet needs a wrap_type of {', '.join(IV_BYTES)} and an iv to it"
            )
        return packet

    @classmethod
    def _from_members(cls, members: JSONObject) -> KeyPacket:
        if members.get("version", VERSION) != VERSION:
            raise WireError(f"its version is not {VERSION}")
        return cls(
            kid=text_member(members, "kid", limit=_NAME_LIMIT),
            wrapped_data=b64_decode(text_member(members, "wrapped_data", limit=_DATA_LIMIT)),
            provider=text_member({"provider": KBS, **members}, "provider", limit=_NAME_LIMIT),
            iv=b64_decode(optional_text_member(members, "iv", limit=64) or ""),
            wrap_type=optional_text_member(members, "wrap_type", limit=64) or "",
            settings=object_value(members.get("provider_settings", {}), "provider_settings"),
            annotations=object_value(members.get("annotations", {}), "annotations"),
        )

    def open(self, fetch: ResourceFetcher, kms: KMSOpener | None = None) -> bytes:
        """The payload.

        Args:
            fetch: brings resources.
            kms: opens key management services; as settings that say nothing when ``None``.

        Raises:
            UnknownProviderError: no driver has the name of the provider.
            NotDecryptedError: it does not open under the key.
            GuestError: the key could not be fetched.
        """
        if self.provider == KBS:
            return decrypt(fetch(self.kid), self.wrapped_data, self.iv, self.wrap_type)
        open_service = kms or opener(KMSSettings(), fetch)
        service = open_service(self.provider, self.settings)
        with wiping(service.decrypt(self.wrapped_data, self.kid, self.annotations)) as payload:
            return bytes(payload)

    def first_version(self) -> bytes:
        """The packet in the layout of upstream's key provider, which every guest reads."""
        return _written({"kid": self.kid, "wrapped_data": b64_encode(self.wrapped_data)}, self)

    def second_version(self) -> bytes:
        """The packet with all that it has, which says itself whose key it needs."""
        members: JSONObject = {
            "version": VERSION,
            "kid": self.kid,
            "wrapped_data": b64_encode(self.wrapped_data),
            "provider": self.provider,
        }
        rest: JSONObject = {"provider_settings": self.settings, "annotations": self.annotations}
        return _written(members, self, rest)


def _written(members: JSONObject, packet: KeyPacket, rest: JSONObject | None = None) -> bytes:
    cipher = {"iv": b64_encode(packet.iv), "wrap_type": packet.wrap_type} if packet.iv else {}
    return json.dumps({**members, **cipher, **(rest or {})}, separators=(",", ":")).encode("ascii")
