"""CCA tokens as structures; what is refused when is told by the tests of the verifier."""

from __future__ import annotations

import hashlib

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import VECTORS
from simulated.cca import IMPLEMENTATION, INSTANCE, SimulatedCCA, point

from app.attestation.formats.cca_token import CCAToken, PlatformClaims, RealmClaims
from app.trust.errors import ChainError, MalformedEvidenceError, TCBUnsupportedError

SITE = SimulatedCCA()


@settings(max_examples=200)
@given(st.binary(max_size=100))
def test_any_bytes_are_malformed(data: bytes) -> None:
    """No token is so short, and nothing else comes out."""
    for junk in (data, b"\xd9\x01\x8f" + data):
        with pytest.raises(MalformedEvidenceError):
            CCAToken.parse(junk)


@pytest.mark.parametrize("state", range(0x100))
def test_only_states_in_service_are_trustworthy(state: int) -> None:
    """Of all that the high byte can say, two."""
    platform = PlatformClaims.parse(cbor2.dumps(SITE.platform(l2395=state << 8 | 3)))
    if state in {0x30, 0x40}:
        platform.check_lifecycle()
        return
    with pytest.raises(TCBUnsupportedError):
        platform.check_lifecycle()


def test_a_realms_key_is_bound_by_its_own_hash() -> None:
    """The platform's challenge is the digest of the key's bytes."""
    realm = RealmClaims.parse(cbor2.dumps(SITE.realm(l44240="sha-512")))
    digest = hashlib.sha512(point(SITE.rak)).digest()
    realm.check_key(PlatformClaims.parse(cbor2.dumps(SITE.platform(l10=digest))))
    with pytest.raises(ChainError):
        realm.check_key(PlatformClaims.parse(cbor2.dumps(SITE.platform(l10=digest[:32]))))


def test_the_published_token_is_read_field_by_field() -> None:
    """Thirteen components, and digests of three lengths are possible."""
    token = CCAToken.parse((VECTORS / "cca" / "cca-example-token.cbor").read_bytes())
    assert [each.kind for each in token.platform.components][:2] == ["RSE_BL1_2", "RSE_BL2"]
    assert len(token.platform.components) == 13
    assert token.platform.lifecycle == 0x3003
    assert len(token.realm.initial_measurement) == 64
    token.realm.check_key(token.platform)


def test_a_simulated_token_is_read_field_by_field() -> None:
    """With what is not said left open."""
    token = CCAToken.parse(SITE.token())
    assert token.platform.implementation_id == IMPLEMENTATION
    assert token.platform.instance_id == INSTANCE
    assert token.platform.components[0].version is None
    assert token.realm.challenge == b"bound".ljust(64, b"\0")
