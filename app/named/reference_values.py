"""Readers of messages with reference values, and whoever may sign these."""

from __future__ import annotations

from functools import partial

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    load_pem_public_key,
)

from app.attestation.formats.ak_certificates import load_roots
from app.attestation.message_signers import MESSAGE_CURVES, Signer, SigningKey
from app.named.faults import Faults, read_text
from app.settings import (
    MessageSignerSettings,
    RVPSSettings,
)
from app.trust.errors import ConfigError


def open_message_signers(settings: RVPSSettings) -> list[Signer]:
    """Whose signed messages with reference values are accepted.

    Raises:
        ConfigError: listing every key and authority that cannot be read.
    """
    faults = Faults()
    opened = [
        faults.of(partial(_message_signer, name, each), f"rvps.signers.{name}")
        for name, each in settings.signers.items()
    ]
    faults.raise_any()
    return opened


def _message_signer(name: str, settings: MessageSignerSettings) -> Signer:
    if settings.public_key_file is not None:
        pem = read_text(settings.public_key_file, "public_key_file")
        return Signer(name, settings.name_prefixes, key=_message_key(pem))
    assert settings.ca_file is not None, "the settings were checked"
    try:
        roots = load_roots(settings.ca_file)
    except (OSError, ValueError, x509.ExtensionNotFound) as error:
        message = f"ca_file: {settings.ca_file} holds no certificates of authorities"
        raise ConfigError([message]) from error
    return Signer(name, settings.name_prefixes, roots=roots)


def _message_key(pem: str) -> SigningKey:
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(["public_key_file: no public key in PEM"]) from error
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in MESSAGE_CURVES:
        return key
    fault = "public_key_file: neither a key on P-256, P-384 or P-521 nor one of Ed25519"
    raise ConfigError([fault])
