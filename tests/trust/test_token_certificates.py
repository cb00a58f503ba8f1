"""Certificates of token keys: what each may do, how long, and who issued it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from fakes import NOON

from app.trust.token_certificates import (
    AUTHORITY_LIFETIME,
    LEAF_LIFETIME,
    authority_certificate,
    leaf_certificate,
)

AUTHORITY_KEY = ec.generate_private_key(ec.SECP256R1())
LEAF_KEY = ec.generate_private_key(ec.SECP256R1()).public_key()
AUTHORITY = authority_certificate(AUTHORITY_KEY, NOON)


def test_another_authority_of_the_same_kind_did_not_issue_it() -> None:
    """Names differ by key, so that path builders never mix them up."""
    leaf = leaf_certificate(LEAF_KEY, AUTHORITY, AUTHORITY_KEY, NOON)
    other = authority_certificate(ec.generate_private_key(ec.SECP256R1()), NOON)
    with pytest.raises((ValueError, InvalidSignature)):
        leaf.verify_directly_issued_by(other)
    assert other.subject != AUTHORITY.subject


def test_a_leaf_never_outlives_its_authority() -> None:
    """However late it is issued."""
    late = NOON + AUTHORITY_LIFETIME - timedelta(days=1)
    leaf = leaf_certificate(LEAF_KEY, AUTHORITY, AUTHORITY_KEY, late)
    assert leaf.not_valid_after_utc == AUTHORITY.not_valid_after_utc


def test_a_leaf_can_sign_tokens_and_nothing_else() -> None:
    """It is no authority, and it is valid a little before it was made."""
    leaf = leaf_certificate(LEAF_KEY, AUTHORITY, AUTHORITY_KEY, NOON)
    leaf.verify_directly_issued_by(AUTHORITY)
    constraints = leaf.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage)
    assert (constraints.critical, constraints.value.ca) == (True, False)
    assert (usage.value.digital_signature, usage.value.key_cert_sign) == (True, False)
    assert leaf.not_valid_before_utc < NOON < leaf.not_valid_after_utc == NOON + LEAF_LIFETIME
