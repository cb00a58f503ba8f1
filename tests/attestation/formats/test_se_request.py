"""Requests of Secure Execution: only the machines that they are for can open them."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from simulated.se import Firmware

from app.attestation.formats.se_request import MeasurementSecrets, request_block

HOSTS = [ec.generate_private_key(ec.SECP521R1()) for _ in range(2)]
SECRETS = MeasurementSecrets(bytes(range(64)), bytes(range(16)))


def test_the_firmware_finds_what_it_is_told() -> None:
    """In the slot of each host key."""
    block = request_block([each.public_key() for each in HOSTS], SECRETS)
    assert len(block) == 48 + 176 + 2 * 80 + 80 + 16
    for host in HOSTS:
        assert Firmware(host).open(block) == (SECRETS.key, SECRETS.nonce)


def test_a_request_that_was_changed_does_not_open() -> None:
    """Every byte is authenticated, or leads to a key that opens nothing."""
    block = request_block([HOSTS[0].public_key()], SECRETS)
    for offset in [*range(16, 28), *range(64 + 14, 224, 7), *range(224, len(block), 5)]:
        changed = bytearray(block)
        changed[offset] ^= 1
        with pytest.raises((InvalidTag, ValueError)):
            Firmware(HOSTS[0]).open(bytes(changed))


def test_secrets_do_not_show() -> None:
    """Not in logs and not in errors."""
    assert repr(SECRETS) == "MeasurementSecrets()"
    assert MeasurementSecrets.generate() != MeasurementSecrets.generate()
