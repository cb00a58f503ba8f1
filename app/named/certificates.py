"""The server's own certificate."""

from __future__ import annotations

import ssl

from cryptography.hazmat.primitives import serialization
from cryptography.x509 import load_pem_x509_certificates

from app.settings import (
    ServerSettings,
)
from app.trust.errors import ConfigError


def authority(settings: ServerSettings) -> str | None:
    """PEM of the authority that the server's own chain ends in; ``None`` when it was not given it.

    Raises:
        ConfigError: the chain cannot be read.
    """
    if settings.tls_certificate is None:
        return None
    try:
        chain = load_pem_x509_certificates(settings.tls_certificate.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError([f"server.tls_certificate: {settings.tls_certificate}"]) from error
    last = chain[-1]
    if last.issuer != last.subject:
        return None
    return last.public_bytes(serialization.Encoding.PEM).decode()


def check_certificate(settings: ServerSettings) -> None:
    """Load the server's certificate and private key, where it has them.

    Raises:
        ConfigError: they cannot be read, or are none.
    """
    if settings.tls_certificate is None:
        return
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(settings.tls_certificate, settings.tls_private_key)
    except OSError as error:
        where = "server.tls_certificate, server.tls_private_key"
        raise ConfigError([f"{where}: no certificate with its private key"]) from error
