"""Who says who an operator is: signers of operators' tokens, and the OpenID provider."""

from __future__ import annotations

from functools import partial

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    load_pem_public_key,
)
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, OKPKey, RSAKey

from app.console.admin_tokens import IdentityProvider, key_set
from app.console.identity_provider import ProviderClient
from app.named.faults import Faults, read_text
from app.settings import (
    AdminSettings,
    IdentityProviderSettings,
    OIDCSettings,
)
from app.trust.errors import ConfigError
from guest.wire.strict_json import parse_json_object


def open_identity_providers(settings: AdminSettings) -> list[IdentityProvider]:
    """Who signs operators' tokens, each with its keys.

    Raises:
        ConfigError: listing every key that cannot be read.
    """
    faults = Faults()
    opened = [
        faults.of(partial(_identity_provider, each), f"admin.identity_providers.{each.name}")
        for each in settings.identity_providers
    ]
    faults.raise_any()
    return opened


def _identity_provider(settings: IdentityProviderSettings) -> IdentityProvider:
    path = settings.public_key_file or settings.jwks_file
    assert path is not None, "settings name one of them"
    text = read_text(path)
    try:
        if settings.jwks_file is not None:
            keys = key_set(parse_json_object(text))
        else:
            keys = KeySet([_public_key(text)])
    except (ValueError, JoseError, UnsupportedAlgorithm) as error:
        raise ConfigError([f"{path} holds no public key"]) from error
    return IdentityProvider(
        name=settings.name,
        keys=keys,
        by_key_id=settings.jwks_file is not None,
        issuer=settings.issuer,
        audience=settings.audience,
        algorithms=settings.algorithms,
    )


def _public_key(pem: str) -> Key:
    key = load_pem_public_key(pem.encode())
    if isinstance(key, ed25519.Ed25519PublicKey):
        return OKPKey.import_key(key)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return ECKey.import_key(key)
    if isinstance(key, rsa.RSAPublicKey):
        return RSAKey.import_key(key)
    raise ValueError("a key of another kind")


def oidc_client(settings: OIDCSettings, redirect_uri: str) -> ProviderClient:
    """How this console is known to the OpenID provider.

    Raises:
        ConfigError: the secret or the authorities cannot be read.
    """
    secret = read_text(settings.client_secret_file, "console.oidc.client_secret_file").strip()
    if not secret:
        raise ConfigError(
            [f"console.oidc.client_secret_file: {settings.client_secret_file} is empty"]
        )
    if settings.ca_file is not None:
        read_text(settings.ca_file, "console.oidc.ca_file")
    return ProviderClient(
        issuer=settings.issuer,
        client_id=settings.client_id,
        client_secret=secret,
        redirect_uri=redirect_uri,
        scopes=settings.scopes,
        ca_file=str(settings.ca_file) if settings.ca_file else None,
    )
