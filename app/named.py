"""What the settings name, opened: keys, certificates, verifiers, whoever is trusted.

Whatever is not there, or is not what it should be, is a fault of the settings; ``check`` finds all
of them before anything is served or written.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    load_pem_private_key,
    load_pem_public_key,
)
from cryptography.x509 import load_pem_x509_certificates
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, OKPKey, RSAKey

from app.attestation.collateral.amd import AMDCatalogue
from app.attestation.collateral.bundle import BundleSigner, algorithm_of
from app.attestation.collateral.catalogue import VendorCatalogue
from app.attestation.collateral.hygon import HygonCatalogue
from app.attestation.collateral.ibm import IBMCatalogue
from app.attestation.collateral.intel import IntelCatalogue, UpdateType
from app.attestation.collateral.intel_bundle import IntelBundle
from app.attestation.collateral.judge import Judge
from app.attestation.collateral.nvidia import NVIDIACatalogue
from app.attestation.collateral.sources import CollateralPlan, CollateralSources, open_collateral
from app.attestation.collateral.vendor import SharedCollateral
from app.attestation.evidence import RootedVerifier, Verifier
from app.attestation.extractors import Extractor, load_extractors
from app.attestation.formats.ak_certificates import load_roots
from app.attestation.formats.amd_chain import AMD_ROOTS
from app.attestation.formats.dcap_certificates import INTEL_ROOTS, roots_with
from app.attestation.formats.snp_appraisal import SNPAppraiser
from app.attestation.message_signers import MESSAGE_CURVES, Signer, SigningKey
from app.attestation.verifiers import load_verifiers
from app.blueprints.limits import RateLimit
from app.broker.fetched_keys import FetchedKeys
from app.broker.issuer_keys import FileKeys, KeySource
from app.broker.issuers import Issuer, IssuerKind
from app.broker.key_chains import CertifiedKeys
from app.config import read_key_encryption_keys
from app.console.admin_tokens import IdentityProvider, key_set
from app.console.identity_provider import ProviderClient
from app.settings import (
    AdminSettings,
    AttestationSettings,
    BrokerSettings,
    CollateralSettings,
    DatabaseSettings,
    IdentityProviderSettings,
    IssuerSettings,
    MessageSignerSettings,
    OIDCSettings,
    RemoteAppraiserSettings,
    RVPSSettings,
    ServerSettings,
    Settings,
)
from app.store.collateral import SQLCollateralStore, SQLFetchLeases
from app.store.database import Database, checked_url
from app.trust.clock import Clock, SystemClock
from app.trust.errors import ConfigError
from app.trust.http_client import PooledHTTPClient
from guest.wire.jwe_algorithms import ML_KEM
from guest.wire.strict_json import parse_json_object

T = TypeVar("T")

_FETCH_TIMEOUT_SECONDS = 5.0
_AMD_TEES = frozenset({"snp", "az-snp-vtpm"})
_INTEL_TEES = frozenset({"tdx", "sgx", "az-tdx-vtpm"})


def check(settings: Settings) -> None:
    """Open everything that the settings name, but connect to nothing.

    Raises:
        ConfigError: listing every fault.
    """
    faults = Faults()
    faults.of(partial(read_key_encryption_keys, settings.sealing))
    faults.of(partial(_check_certificate, settings.server))
    for name in ("handshake", "sign_in"):
        faults.of(partial(RateLimit, name, getattr(settings.limits, name)))
    faults.of(partial(_check_database, settings))
    faults.of(partial(_check_response_algorithms, settings.broker))
    faults.of(partial(verifiers, settings))
    faults.of(partial(extractors, settings.rvps))
    faults.of(partial(message_signers, settings.rvps))
    faults.of(partial(issuers, settings.broker))
    faults.of(partial(identity_providers, settings.admin))
    if settings.console.oidc is not None:
        faults.of(partial(oidc_client, settings.console.oidc, ""))
    if settings.broker.remote_appraiser is not None:
        faults.of(partial(appraiser_client, settings.broker.remote_appraiser))
    faults.raise_any()


def _check_response_algorithms(settings: BrokerSettings) -> None:
    if ML_KEM in settings.response_algorithms and find_spec("Crypto") is None:
        message = f"broker.response_algorithms: {ML_KEM} needs the extra vouchgate-guest[pqc]"
        raise ConfigError([message])


def database_url(settings: DatabaseSettings) -> str:
    """The address of the database, with the password from its file.

    Raises:
        ConfigError: the address is of no supported engine, or the file cannot be read.
    """
    url = checked_url(settings.url)
    if settings.password_file is not None:
        url = url.set(password=_read(settings.password_file, "database.password_file").strip())
    return url.render_as_string(hide_password=False)


def verifiers(settings: Settings) -> dict[str, Verifier]:
    """The enabled verifiers by wire name, none without the role.

    Raises:
        ConfigError: listing every verifier, root and option that cannot be.
    """
    if "as" not in settings.roles:
        return {}
    attestation = settings.attestation
    loaded = load_verifiers(attestation.verifiers, allow_insecure=attestation.insecure_allow_sample)
    faults = Faults()
    for tee, path in attestation.insecure_extra_roots.items():
        loaded[tee] = faults.of(partial(_with_roots, loaded, tee, path))
    faults.of(partial(_trust_lab, loaded, attestation))
    for tee, options in attestation.verifier_options.items():
        faults.of(partial(_check_options, loaded, tee, options))
    faults.raise_any()
    return loaded


_LAB = "attestation.insecure_trust_lab"


def _trust_lab(loaded: dict[str, Verifier], settings: AttestationSettings) -> None:
    """Have the enabled verifiers of AMD's and Intel's TEEs accept the roots of a lab."""
    for tee in set(loaded) & (_AMD_TEES | _INTEL_TEES):
        pem = lab_roots(settings, tee)
        verifier = loaded[tee]
        if pem and isinstance(verifier, RootedVerifier):
            loaded[tee] = verifier.with_extra_roots(pem)


def lab_roots(settings: AttestationSettings, tee: str) -> bytes:
    """The roots of the trusted lab that are for a TEE, PEM; none when no lab is trusted.

    Raises:
        ConfigError: the file cannot be read, or holds no such root.
    """
    if settings.insecure_trust_lab is None:
        return b""
    text = _read(settings.insecure_trust_lab, _LAB)
    try:
        roots = load_pem_x509_certificates(text.encode())
    except ValueError as error:
        raise ConfigError([f"{_LAB}: {settings.insecure_trust_lab} holds no roots"]) from error
    # AMD's roots say for which generation of processors they are; Intel has one.
    wanted = [
        each for each in roots if ("CN=ARK-" in each.subject.rfc4514_string()) == (tee in _AMD_TEES)
    ]
    if not wanted:
        raise ConfigError([f"{_LAB}: {settings.insecure_trust_lab} holds no root for {tee}"])
    return b"".join(each.public_bytes(Encoding.PEM) for each in wanted)


def _with_roots(loaded: dict[str, Verifier], tee: str, path: Path) -> Verifier:
    extend = getattr(loaded.get(tee), "with_extra_roots", None)
    if extend is None:
        raise ConfigError(
            [f"attestation.insecure_extra_roots.{tee}: no enabled verifier of this name has roots"]
        )
    extended: Verifier = extend(_read(path, f"attestation.insecure_extra_roots.{tee}").encode())
    return extended


def _check_options(loaded: dict[str, Verifier], tee: str, options: dict[str, Any]) -> None:
    check_options = getattr(loaded.get(tee), "check_options", None)
    if check_options is None:
        raise ConfigError(
            [f"attestation.verifier_options.{tee}: no enabled verifier of this name has options"]
        )
    check_options(options)


def collateral(settings: Settings, database: Database, clock: Clock) -> CollateralSources:
    """Where vendors' documents are found.

    Raises:
        ConfigError: listing every source that cannot be.
    """
    wanted = settings.collateral
    faults = Faults()
    catalogues = faults.of(partial(_catalogues, wanted))
    mirrors = faults.of(partial(_mirrors, wanted))
    bundles = faults.of(partial(_bundles, wanted))
    judge = faults.of(partial(collateral_judge, settings.attestation))
    faults.raise_any()
    plan = CollateralPlan(
        sources=wanted.sources,
        catalogues=catalogues,
        mirrors=mirrors,
        bundles=bundles,
        refresh_before=timedelta(seconds=wanted.refresh_before_seconds),
        judge=judge,
    )
    client = PooledHTTPClient(timeout_seconds=wanted.timeout_seconds)
    shared = SharedCollateral(SQLCollateralStore(database), SQLFetchLeases(database))
    return open_collateral(plan, shared, client, clock)


def _catalogues(settings: CollateralSettings) -> tuple[VendorCatalogue, ...]:
    return (
        AMDCatalogue(settings.amd_url),
        IntelCatalogue(settings.intel_url, UpdateType(settings.intel_update)),
        HygonCatalogue(settings.hygon_url),
        IBMCatalogue(settings.ibm_url),
        NVIDIACatalogue(settings.nvidia_ocsp_url, settings.nvidia_rim_url),
    )


def _mirrors(settings: CollateralSettings) -> tuple[VendorCatalogue, ...]:
    update = UpdateType(settings.intel_update)
    makers: dict[str, Callable[[str], VendorCatalogue]] = {
        "amd": AMDCatalogue,
        "hygon": HygonCatalogue,
        "ibm": IBMCatalogue,
        "intel": lambda url: IntelCatalogue(url, update),
    }
    return tuple(makers[vendor](url) for vendor, urls in settings.mirrors.items() for url in urls)


def _bundles(settings: CollateralSettings) -> tuple[IntelBundle, ...]:
    if settings.intel_bundle is None:
        return ()
    return (IntelBundle(settings.intel_bundle, UpdateType(settings.intel_update)),)


def collateral_judge(settings: AttestationSettings) -> Judge:
    """Whose documents are kept: the vendors', and those of roots that settings add.

    Raises:
        ConfigError: a file of roots cannot be read, or holds none.
    """
    pins, roots = AMD_ROOTS, INTEL_ROOTS
    for tee, path in settings.insecure_extra_roots.items():
        pem = _read(path, f"attestation.insecure_extra_roots.{tee}").encode()
        if tee in _AMD_TEES:
            pins = SNPAppraiser(pins).with_extra_roots(pem, tee).pins
        elif tee in _INTEL_TEES:
            roots = roots_with(roots, pem, tee)
    if settings.insecure_trust_lab is not None:
        pins = SNPAppraiser(pins).with_extra_roots(lab_roots(settings, "snp"), "snp").pins
        roots = roots_with(roots, lab_roots(settings, "tdx"), "tdx")
    return Judge(pins, roots)


def standing_collateral(settings: Settings) -> tuple[str, ...]:
    """Names of documents that every verification of an enabled TEE may need."""
    if "as" not in settings.roles:
        return ()
    names = [
        name
        for catalogue in _catalogues(settings.collateral)
        for tee in settings.attestation.verifiers
        for name in catalogue.standing(tee)
    ]
    return tuple(dict.fromkeys(names))


def bundle_signer(settings: CollateralSettings) -> BundleSigner | None:
    """Who signs exported bundles.

    Raises:
        ConfigError: the key cannot be read, or it has no name.
    """
    if (settings.bundle_key is None) != (settings.bundle_signer is None):
        raise ConfigError(["collateral.bundle_key and collateral.bundle_signer go together"])
    if settings.bundle_key is None or settings.bundle_signer is None:
        return None
    key = _read_bundle_key(settings.bundle_key, "collateral.bundle_key")
    return BundleSigner(settings.bundle_signer, key)


def bundle_signers(settings: CollateralSettings) -> dict[str, Key]:
    """Whose bundles are imported, by name.

    Raises:
        ConfigError: listing every key that cannot be read.
    """
    faults = Faults()
    opened = {}
    for name, path in settings.bundle_signers.items():
        setting = f"collateral.bundle_signers.{name}"
        opened[name] = faults.of(partial(_read_bundle_key, path, setting))
    faults.raise_any()
    return opened


def _read_bundle_key(path: Path, setting: str) -> Key:
    return _bundle_key(_read(path, setting), setting)


def _bundle_key(pem: str, setting: str) -> Key:
    try:
        key = OKPKey.import_key(pem) if _is_ed25519(pem) else ECKey.import_key(pem)
        algorithm_of(key)
    except (ValueError, JoseError, UnsupportedAlgorithm, TypeError) as error:
        message = f"{setting}: neither a key on P-256, P-384 or P-521 nor one of Ed25519"
        raise ConfigError([message]) from error
    return key


def _is_ed25519(pem: str) -> bool:
    if "PRIVATE KEY" in pem:
        key: object = load_pem_private_key(pem.encode(), password=None)
    else:
        key = load_pem_public_key(pem.encode())
    return isinstance(key, ed25519.Ed25519PrivateKey | ed25519.Ed25519PublicKey)


def extractors(settings: RVPSSettings) -> dict[str, Extractor]:
    """The enabled readers of messages with reference values, by type.

    Raises:
        ConfigError: listing every one that cannot be.
    """
    return load_extractors(settings.extractors)


def message_signers(settings: RVPSSettings) -> list[Signer]:
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
        pem = _read(settings.public_key_file, "public_key_file")
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


def issuers(settings: BrokerSettings) -> list[Issuer]:
    """The trusted token issuers, each with its keys.

    Raises:
        ConfigError: listing every key that cannot be read.
    """
    faults = Faults()
    opened = [
        faults.of(
            partial(_issuer, each, allows_http=settings.insecure_http_issuers),
            f"broker.issuers.{each.name}",
        )
        for each in settings.issuers
    ]
    faults.raise_any()
    return opened


def _issuer(settings: IssuerSettings, *, allows_http: bool) -> Issuer:
    kind, keys = _issuer_keys(settings, allows_http=allows_http)
    return Issuer(
        name=settings.name,
        iss=settings.issuer,
        kind=kind,
        keys=keys,
        algorithms=frozenset(settings.algorithms),
        audience=settings.audience,
        leeway=timedelta(seconds=settings.leeway_seconds),
        tee_key_paths=settings.tee_key_paths,
    )


def _issuer_keys(settings: IssuerSettings, *, allows_http: bool) -> tuple[IssuerKind, KeySource]:
    if settings.jwks_url is not None:
        client = _http_client(_FETCH_TIMEOUT_SECONDS, settings.tls_ca_file)
        keys = FetchedKeys(settings.jwks_url, settings.issuer, client, allows_http=allows_http)
        return IssuerKind.JWKS_URL, keys
    if settings.jwks_file is not None:
        return IssuerKind.JWKS_FILE, FileKeys.load(settings.jwks_file)
    return IssuerKind.CA_CERTIFICATES, CertifiedKeys.load(settings.ca_files)


def appraiser_client(settings: RemoteAppraiserSettings) -> PooledHTTPClient:
    """A client of the Attestation Service elsewhere.

    Raises:
        ConfigError: its authority cannot be read.
    """
    faults = Faults()
    client = faults.of(
        partial(_http_client, settings.timeout_seconds, settings.ca_file),
        "broker.remote_appraiser",
    )
    faults.raise_any()
    return client


def _http_client(timeout_seconds: float, ca_file: Path | None) -> PooledHTTPClient:
    try:
        return PooledHTTPClient(timeout_seconds=timeout_seconds, ca_file=ca_file)
    except OSError as error:
        raise ConfigError([f"{ca_file} holds no certificates"]) from error


def identity_providers(settings: AdminSettings) -> list[IdentityProvider]:
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
    text = _read(path)
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
    secret = _read(settings.client_secret_file, "console.oidc.client_secret_file").strip()
    if not secret:
        raise ConfigError(
            [f"console.oidc.client_secret_file: {settings.client_secret_file} is empty"]
        )
    if settings.ca_file is not None:
        _read(settings.ca_file, "console.oidc.ca_file")
    return ProviderClient(
        issuer=settings.issuer,
        client_id=settings.client_id,
        client_secret=secret,
        redirect_uri=redirect_uri,
        scopes=settings.scopes,
        ca_file=str(settings.ca_file) if settings.ca_file else None,
    )


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


def _check_certificate(settings: ServerSettings) -> None:
    if settings.tls_certificate is None:
        return
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(settings.tls_certificate, settings.tls_private_key)
    except OSError as error:
        where = "server.tls_certificate, server.tls_private_key"
        raise ConfigError([f"{where}: no certificate with its private key"]) from error


def _check_database(settings: Settings) -> None:
    database = Database.from_url(database_url(settings.database))
    faults = Faults()
    faults.of(partial(collateral, settings, database, SystemClock()))
    faults.of(partial(bundle_signer, settings.collateral))
    faults.of(partial(bundle_signers, settings.collateral))
    faults.raise_any()


class Faults:
    """Collects the faults of several parts, so that all of them are told at once."""

    def __init__(self) -> None:
        self._faults: list[str] = []

    def of(self, build: Callable[[], T], setting: str = "") -> T:
        """What a function builds, or a note of what kept it from doing so.

        Args:
            build: may raise ConfigError.
            setting: that the faults are about, when they do not say so themselves.
        """
        prefix = f"{setting}: " if setting else ""
        try:
            return build()
        except ConfigError as error:
            self._faults += [prefix + fault for fault in error.faults]
            # Never used: `raise_any` follows before anyone looks.
            return None  # type: ignore[return-value]

    def raise_any(self) -> None:
        """End the collection.

        Raises:
            ConfigError: something was collected.
        """
        if self._faults:
            raise ConfigError(self._faults)


def _read(path: Path, setting: str = "") -> str:
    prefix = f"{setting}: " if setting else ""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"{prefix}{path}: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{prefix}{path}: not text"]) from error
