"""The attestation token of an Arm CCA realm: two signed maps of claims in one.

Sources: Arm, "Realm Management Monitor Specification" (DEN0137), section A7.2; Internet-Draft
"Arm's Confidential Compute Architecture Reference Attestation Token". The platform signs its claims
with a key of its own (CPAK), and vouches in them for the key that signs the realm's claims (RAK).
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from app.attestation.formats.cbor import (
    parse_array,
    parse_cbor,
    parse_map,
    take_bytes,
    take_integer,
    take_optional_text,
    take_text,
    untag,
)
from app.attestation.formats.cose_sign1 import SignedMessage, parse_cose_key, parse_point
from app.trust.errors import ChainError, MalformedEvidenceError, TCBUnsupportedError
from app.trust.json_types import JSONObject
from guest.wire.encoding import b64_encode

MAX_TOKEN_BYTES: Final = 16 * 1024
CHALLENGE_BYTES: Final = 64

_COLLECTION_TAG = 399
_PLATFORM, _REALM = 44234, 44241
_DIGEST_SIZES = (32, 48, 64)
_PLATFORM_PROFILES = {"http://arm.com/CCA-SSD/1.0.0", "tag:arm.com,2023:cca_platform#1.0.0"}
_REALM_PROFILE = "tag:arm.com,2023:realm#1.0.0"
_MAX_COMPONENTS = 64
_EXTENSIBLE_MEASUREMENTS = 4
# The states in which Arm calls attestation trustworthy: secured, and debugging outside of CCA. The
# low byte is the implementation's own.
_TRUSTWORTHY_STATES = {0x30, 0x40}
_KEY_HASHES = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}


@dataclass(frozen=True, slots=True)
class SoftwareComponent:
    """One piece of the platform's firmware.

    Attributes:
        kind: its type, where it says one.
        measurement: its digest, 32, 48 or 64 bytes.
        version: where it says one.
        signer: digest of the key that signed it.
    """

    kind: str | None
    measurement: bytes
    version: str | None
    signer: bytes

    @classmethod
    def parse(cls, value: object) -> SoftwareComponent:
        """Read a map.

        Raises:
            MalformedEvidenceError: it is none of this form.
        """
        members = parse_map(value, "a software component")
        take_optional_text(members, 6)  # the hash algorithm, which the digest's length implies
        return cls(
            kind=take_optional_text(members, 1),
            measurement=take_bytes(members, 2, _DIGEST_SIZES),
            version=take_optional_text(members, 4),
            signer=take_bytes(members, 5, _DIGEST_SIZES),
        )


@dataclass(frozen=True, slots=True)
class PlatformClaims:
    """What the platform says; true once its signature is checked.

    Attributes:
        challenge: digest of the realm's key, as the realm says how.
        implementation_id: which hardware and firmware, 32 bytes.
        instance_id: which platform, 33 bytes.
        configuration: of the platform.
        lifecycle: its security state.
        components: its firmware, in the order of booting.
    """

    challenge: bytes
    implementation_id: bytes
    instance_id: bytes
    configuration: bytes
    lifecycle: int
    components: tuple[SoftwareComponent, ...]

    @classmethod
    def parse(cls, payload: bytes) -> PlatformClaims:
        """Read the payload of the platform token.

        Raises:
            MalformedEvidenceError: it is none.
        """
        members = parse_map(parse_cbor(payload, "the platform token"), "the platform token")
        if take_text(members, 265) not in _PLATFORM_PROFILES:
            raise MalformedEvidenceError("the platform token is of an unknown profile")
        take_optional_text(members, 2400)  # where it could be verified
        take_text(members, 2402)  # the hash algorithm of what has no own
        lifecycle = take_integer(members, 2395)
        if lifecycle not in range(0x10000):
            raise MalformedEvidenceError("the platform's lifecycle is no state")
        return cls(
            challenge=take_bytes(members, 10, _DIGEST_SIZES),
            implementation_id=take_bytes(members, 2396, [32]),
            instance_id=take_bytes(members, 256, [33]),
            configuration=take_bytes(members, 2401, []),
            lifecycle=lifecycle,
            components=_components(members.get(2399)),
        )

    def check_lifecycle(self) -> None:
        """The platform is in a state in which its word counts.

        Raises:
            TCBUnsupportedError: it is being made or debugged, or was taken out of service.
        """
        if self.lifecycle >> 8 not in _TRUSTWORTHY_STATES:
            raise TCBUnsupportedError(
                f"the platform is in the lifecycle state {self.lifecycle:#06x}, which is not secure"
            )


@dataclass(frozen=True, slots=True)
class RealmClaims:
    """What the realm management monitor says of a realm; true once the signature is checked.

    Attributes:
        challenge: 64 bytes of the guest's.
        personalization: 64 bytes that the host gave at launch.
        initial_measurement: digest of the realm at launch.
        extensible_measurements: four registers of the guest's.
        hash_algorithm: of the measurements.
        encoded_key: the key that signs the realm token, as it stood.
        key: the same, ready for use.
        key_hash: name of the hash that ties the key to the platform.
    """

    challenge: bytes
    personalization: bytes
    initial_measurement: bytes
    extensible_measurements: tuple[bytes, ...]
    hash_algorithm: str
    encoded_key: bytes
    key: ec.EllipticCurvePublicKey
    key_hash: str

    @classmethod
    def parse(cls, payload: bytes) -> RealmClaims:
        """Read the payload of the realm token.

        Raises:
            MalformedEvidenceError: it is none.
        """
        members = parse_map(parse_cbor(payload, "the realm token"), "the realm token")
        profile, encoded_key = take_optional_text(members, 265), take_bytes(members, 44237, [])
        if profile not in {None, _REALM_PROFILE}:
            raise MalformedEvidenceError("the realm token is of an unknown profile")
        registers = parse_array(members.get(44239), _EXTENSIBLE_MEASUREMENTS, "the realm's REMs")
        key_hash = take_text(members, 44240)
        if key_hash not in _KEY_HASHES:
            raise MalformedEvidenceError("the realm's key is hashed with an unknown algorithm")
        return cls(
            challenge=take_bytes(members, 10, [CHALLENGE_BYTES]),
            personalization=take_bytes(members, 44235, [64]),
            initial_measurement=take_bytes(members, 44238, _DIGEST_SIZES),
            extensible_measurements=tuple(
                take_bytes({0: register}, 0, _DIGEST_SIZES) for register in registers
            ),
            hash_algorithm=take_text(members, 44236),
            encoded_key=encoded_key,
            key=_realm_key(encoded_key, profile),
            key_hash=key_hash,
        )

    def check_key(self, platform: PlatformClaims) -> None:
        """The platform vouches for the key: its challenge is the key's digest.

        Raises:
            ChainError: it vouches for another.
        """
        digest = _KEY_HASHES[self.key_hash](self.encoded_key).digest()
        if not hmac.compare_digest(digest, platform.challenge):
            raise ChainError("the platform does not vouch for the realm's key")


@dataclass(frozen=True, slots=True)
class CCAToken:
    """A token: its two messages and what they say, nothing of it verified."""

    platform_message: SignedMessage
    realm_message: SignedMessage
    platform: PlatformClaims
    realm: RealmClaims

    @classmethod
    def parse(cls, data: bytes) -> CCAToken:
        """Read a token: tag 399 on a map of the two messages.

        Raises:
            MalformedEvidenceError: it is none.
        """
        collection = untag(parse_cbor(data, "the token"), _COLLECTION_TAG, "the token")
        members = parse_map(collection, "the token")
        if members.keys() != {_PLATFORM, _REALM}:
            raise MalformedEvidenceError("the token is not one of a platform and one of a realm")
        platform, realm = (take_bytes(members, label, []) for label in (_PLATFORM, _REALM))
        platform_message = SignedMessage.parse(platform, "the platform token")
        realm_message = SignedMessage.parse(realm, "the realm token")
        return cls(
            platform_message,
            realm_message,
            PlatformClaims.parse(platform_message.unverified_payload),
            RealmClaims.parse(realm_message.unverified_payload),
        )

    def claims(self) -> JSONObject:
        """The claims, byte strings in base64 but for the two that every TEE has, in hex."""
        realm, platform = self.realm, self.platform
        return {
            "realm": {
                "cca-realm-personalization-value": b64_encode(realm.personalization),
                "cca-realm-initial-measurement": b64_encode(realm.initial_measurement),
                "cca-realm-extensible-measurements": [
                    b64_encode(each) for each in realm.extensible_measurements
                ],
                "cca-realm-challenge": b64_encode(realm.challenge),
                "cca-realm-hash-algo-id": realm.hash_algorithm,
            },
            "platform": {
                "cca-platform-instance-id": b64_encode(platform.instance_id),
                "cca-platform-implementation-id": b64_encode(platform.implementation_id),
            },
            "report_data": realm.challenge.hex(),
            "init_data": realm.personalization.hex(),
        }


def _components(value: object) -> tuple[SoftwareComponent, ...]:
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= _MAX_COMPONENTS:
        raise MalformedEvidenceError(
            f"the platform does not have 1 to {_MAX_COMPONENTS} software components"
        )
    return tuple(SoftwareComponent.parse(each) for each in value)


def _realm_key(data: bytes, profile: str | None) -> ec.EllipticCurvePublicKey:
    """The key as the profile writes it: before there was one, as a point of P-384."""
    if profile is None:
        return parse_point(data, ec.SECP384R1(), "the realm's key")
    return parse_cose_key(data, "the realm's key")
