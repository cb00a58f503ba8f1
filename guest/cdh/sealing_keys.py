"""The keys that sealed secrets are verified with: which are believed, and where they are.

A secret names its key itself, so whoever sealed chooses it. Hence the pins: without them, any P-256
key among the resources that this guest may read would do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from guest.errors import UntrustedKeyError
from guest.kms.ports import ResourceFetcher
from guest.wire.errors import WireError
from guest.wire.json_types import JSONObject
from guest.wire.jwk import load_point, point_members
from guest.wire.members import optional_text_member, text_member
from guest.wire.strict_json import parse_json_object

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

ES256 = "ES256"

_CURVE = "P-256"
_MAX_KEY_BYTES = 16 * 1024
_COORDINATE_LIMIT = 64


@dataclass(frozen=True, slots=True)
class SealingKeys:
    """Finds the verification key of an id.

    Attributes:
        fetch: brings a key whose id is a resource URI.
        folder: of the keys whose id is the name of a file.
        trusted_ids: the only ids that are believed; ``None`` believes the files of the folder, and
            no resource.
        insecure_any_key: believe every id that leads to a key.
    """

    fetch: ResourceFetcher = field(repr=False)
    folder: Path
    trusted_ids: frozenset[str] | None = None
    insecure_any_key: bool = False

    def find(self, key_id: str) -> ec.EllipticCurvePublicKey:
        """The key of an id.

        Raises:
            UntrustedKeyError: the id is not believed, or leads to no P-256 key.
            GuestError: the resource could not be fetched.
        """
        is_resource = key_id.startswith(("kbs:", "kbs+"))
        self._check_trusted(key_id, is_resource=is_resource)
        raw = self.fetch(key_id) if is_resource else self._read(key_id)
        try:
            return parse_verification_key(raw)
        except WireError as error:
            raise UntrustedKeyError(f"the key of the sealed secret is unusable: {error}") from error

    def _check_trusted(self, key_id: str, *, is_resource: bool) -> None:
        if self.insecure_any_key:
            return
        if self.trusted_ids is None and is_resource:
            raise UntrustedKeyError(
                "no key id is pinned; sealed_secrets.trusted_key_ids lists those to believe"
            )
        if self.trusted_ids is not None and key_id not in self.trusted_ids:
            raise UntrustedKeyError(
                "the key id of the sealed secret is not in sealed_secrets.trusted_key_ids"
            )

    def _read(self, name: str) -> bytes:
        # Links are followed before the comparison, so that none leads out of the folder.
        try:
            folder = self.folder.resolve(strict=True)
            path = (folder / name).resolve(strict=True)
            if not path.is_relative_to(folder) or not path.is_file():
                raise UntrustedKeyError("the key id leads to no file of the folder of keys")
            with path.open("rb") as file:
                return file.read(_MAX_KEY_BYTES + 1)
        except (OSError, ValueError, RuntimeError) as error:
            raise UntrustedKeyError("the key id leads to no file of the folder of keys") from error


def parse_verification_key(raw: bytes) -> ec.EllipticCurvePublicKey:
    """A public P-256 key from its JWK (RFC 7518, section 6.2), at most 16 KiB of JSON.

    Raises:
        WireError: it is another thing, made for another algorithm or use, or a private key.
    """
    if len(raw) > _MAX_KEY_BYTES:
        raise WireError("a JWK is not that long")
    members = parse_json_object(raw)
    if members.get("kty") != "EC" or members.get("crv") != _CURVE:
        raise WireError(f"a sealing key is a JWK of kty EC and crv {_CURVE}")
    if optional_text_member(members, "alg", limit=16) not in {None, ES256}:
        raise WireError(f"the JWK is for another algorithm than {ES256}")
    if optional_text_member(members, "use", limit=16) not in {None, "sig"}:
        raise WireError("the JWK is not for signatures")
    if "d" in members:
        raise WireError("the JWK holds a private key, which whoever reads it could seal with")
    x, y = (text_member(members, name, limit=_COORDINATE_LIMIT) for name in ("x", "y"))
    return load_point(_CURVE, x, y)


def verification_key_json(key: ec.EllipticCurvePublicKey) -> JSONObject:
    """The JWK that ``parse_verification_key`` reads.

    Raises:
        WireError: the key is on a curve that JOSE does not know.
    """
    crv, x, y = point_members(key)
    return {"kty": "EC", "crv": crv, "alg": ES256, "use": "sig", "x": x, "y": y}
