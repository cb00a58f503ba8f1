"""Settings: what shapes a server, as frozen values.

A setting whose name begins with ``insecure_`` weakens the system. Every one of them is off unless
it is written down, is logged at each start and stands in the console's header.
``docs/reference/settings.md`` explains each setting; ``app/config.py`` reads and checks them.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Field

Role: TypeAlias = Literal["as", "kbs", "console"]
OperatorRole: TypeAlias = Literal[
    "viewer", "auditor", "policy-author", "secret-custodian", "operator", "owner"
]
# RSA1_5 is not among them: it has a setting of its own, with its own warning.
ResponseAlgorithm: TypeAlias = Literal["ECDH-ES+A256KW", "RSA-OAEP-256", "ML-KEM-768+A192KW"]
Seconds: TypeAlias = Annotated[int, Field(ge=1, le=31_536_000)]
Vendor: TypeAlias = Literal["amd", "hygon", "ibm", "intel"]
# Refuse evidence that depends on the document, or let policy judge by the claim collateral_state.
StateBehaviour: TypeAlias = Literal["refuse", "claim"]
_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """How the server listens.

    Attributes:
        bind: ``address:port`` pairs.
        public_url: the address under which guests and browsers reach this server, without a
            trailing slash; ``None`` is the first of ``bind``.
        console_bind: ``address:port`` pairs of operators alone: the console and the admin REST
            interface are then served there and nowhere else.
        console_url: the address under which browsers reach the console; ``None`` is the first of
            ``console_bind``, or the public address.
        tls_certificate: PEM file, leaf first; needed off loopback.
        tls_private_key: PEM file.
        insecure_http: serve plain HTTP off loopback.
        insecure_public_metrics: serve ``/metrics`` without a token.
        workers: processes.
        threads: threads a process.
        max_body_bytes: larger requests are refused with 413.
        trusted_proxies: how many reverse proxies stand in front and set ``X-Forwarded-*``.
    """

    __pydantic_config__ = _STRICT
    bind: tuple[str, ...] = ("127.0.0.1:8080",)
    public_url: str | None = None
    console_bind: tuple[str, ...] = ()
    console_url: str | None = None
    tls_certificate: Path | None = None
    tls_private_key: Path | None = None
    insecure_http: bool = False
    insecure_public_metrics: bool = False
    workers: Annotated[int, Field(ge=1, le=256)] = 2
    threads: Annotated[int, Field(ge=1, le=256)] = 4
    max_body_bytes: Annotated[int, Field(ge=1024, le=256 * 1024 * 1024)] = 2 * 1024 * 1024
    trusted_proxies: Annotated[int, Field(ge=0, le=8)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """Where state lives.

    Attributes:
        url: ``sqlite:///path`` or ``postgresql+psycopg://user@host/name``.
        password_file: file with the password of the database user.
        pool_size: connections a process keeps.
    """

    __pydantic_config__ = _STRICT
    url: str
    password_file: Path | None = None
    pool_size: Annotated[int, Field(ge=1, le=256)] = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SealingSettings:
    """Key-encryption keys.

    Attributes:
        keys: the first seals, all of them open. ``file:<path>`` of 64 hex digits, or
            ``env:<VARIABLE>`` with 64 hex digits in it.
    """

    __pydantic_config__ = _STRICT
    keys: Annotated[tuple[str, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CollateralSettings:
    """Where vendor certificates, TCB info and revocation lists are found.

    Attributes:
        sources: in order: ``cache``, ``offline:<folder>``, ``vendor``.
        amd_url: base address of AMD's Key Distribution Service.
        intel_url: base address of Intel's PCS, or of a PCCS.
        intel_update: which of Intel's two publications of a TCB recovery counts: ``early`` on the
            day of its disclosure, ``standard`` about a year later.
        intel_bundle: a file with Intel collateral for sites without a network.
        hygon_url: base address of Hygon's certificate service.
        ibm_url: base address of IBM's certificates and list for host key documents.
        nvidia_ocsp_url: of NVIDIA's responder for the state of certificates.
        nvidia_rim_url: of NVIDIA's service of reference manifests.
        mirrors: further base addresses by vendor, asked in order after the vendor's own.
        timeout_seconds: of one request to a vendor.
        refresh_before_seconds: how long before a document is over a newer one is asked for.
        ageing: what becomes of evidence when a newer document should be there and is not.
        stale: the same when the vendor no longer stands by the document.
        missing: the same when a document is nowhere that a verifier can do without.
        bundle_signer: by which name other sites know ``bundle_key``.
        bundle_key: PEM file of the private key that signs exported bundles.
        bundle_signers: PEM files of public keys whose bundles are imported, by name.
    """

    __pydantic_config__ = _STRICT
    sources: tuple[str, ...] = ("cache", "vendor")
    amd_url: str = "https://kdsintf.amd.com"
    intel_url: str = "https://api.trustedservices.intel.com"
    intel_update: Literal["early", "standard"] = "early"
    intel_bundle: Path | None = None
    hygon_url: str = "https://cert.hygon.cn"
    ibm_url: str = "https://www.ibm.com/support/resourcelink/api/content/public"
    nvidia_ocsp_url: str = "https://ocsp.ndis.nvidia.com"
    nvidia_rim_url: str = "https://rim.attestation.nvidia.com"
    mirrors: dict[Vendor, tuple[str, ...]] = field(default_factory=dict)
    timeout_seconds: Annotated[float, Field(gt=0, le=120)] = 10.0
    refresh_before_seconds: Seconds = 259_200
    ageing: StateBehaviour = "claim"
    stale: StateBehaviour = "refuse"
    missing: StateBehaviour = "refuse"
    bundle_signer: str | None = None
    bundle_key: Path | None = None
    bundle_signers: dict[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationSettings:
    """The Attestation Service.

    Attributes:
        issuer: ``iss`` of its tokens; ``None`` is the server's public address.
        audience: ``aud`` of its tokens; ``None`` leaves the claim out, as Trustee's tokens do.
        token_lifetime_seconds: of a token.
        challenge_lifetime_seconds: of a nonce.
        policy_id: the policy set used for handshakes of the KBS.
        embed_certificate_chain: whether tokens carry ``jwk.x5c`` in their header.
        verbose_token: whether tokens repeat the evidence of devices.
        developer: of the verifier id in tokens (EAR, ``ear.verifier-id``).
        verifiers: wire names of the TEEs that are accepted.
        verifier_options: options by wire name; each verifier's page explains its own.
        insecure_allow_sample: accept evidence that anyone can forge.
        insecure_allow_no_nonce: sign tokens for requests without a nonce.
        insecure_extra_roots: PEM files of roots that are no vendor's, by wire name.
        insecure_trust_lab: PEM file with the roots of a lab (``vouchgate lab``), for every TEE.
    """

    __pydantic_config__ = _STRICT
    issuer: str | None = None
    audience: str | None = None
    token_lifetime_seconds: Seconds = 300
    challenge_lifetime_seconds: Seconds = 300
    policy_id: str = "default"
    embed_certificate_chain: bool = True
    verbose_token: bool = True
    developer: str = "https://vouchgate.invalid"
    verifiers: tuple[str, ...] = ("snp", "tdx", "sgx")
    verifier_options: dict[str, dict[str, Any]] = field(default_factory=dict)
    insecure_allow_sample: bool = False
    insecure_allow_no_nonce: bool = False
    insecure_extra_roots: dict[str, Path] = field(default_factory=dict)
    insecure_trust_lab: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSignerSettings:
    """Someone whose signed messages with reference values are accepted.

    Attributes:
        public_key_file: PEM file of its public key, or
        ca_file: PEM file of authorities; messages then carry a certificate for signing code.
        name_prefixes: what the names of its values begin with.
    """

    __pydantic_config__ = _STRICT
    name_prefixes: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
    public_key_file: Path | None = None
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RVPSSettings:
    """Messages with reference values.

    Attributes:
        extractors: types of messages that are read.
        signers: whose signed messages are accepted, by name.
    """

    __pydantic_config__ = _STRICT
    extractors: tuple[str, ...] = ("sample",)
    signers: dict[str, MessageSignerSettings] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerSettings:
    """A token issuer that the KBS trusts, by exactly one kind of key source.

    Attributes:
        name: what decisions and logs call it.
        issuer: its ``iss``.
        jwks_url: its key set, or its base address when it publishes discovery.
        jwks_file: its key set as a file.
        ca_files: PEM files; tokens then carry a chain in ``jwk.x5c`` that leads to one of them.
        tls_ca_file: PEM file that ``jwks_url`` is checked against.
        algorithms: accepted signature algorithms.
        audience: required ``aud``; ``None`` checks none.
        leeway_seconds: accepted clock skew.
        tee_key_paths: JSON pointers under which the TEE key is found; empty means the usual ones.
    """

    __pydantic_config__ = _STRICT
    name: str
    issuer: str
    jwks_url: str | None = None
    jwks_file: Path | None = None
    ca_files: tuple[Path, ...] = ()
    tls_ca_file: Path | None = None
    algorithms: tuple[str, ...] = ("ES256",)
    audience: str | None = None
    leeway_seconds: Annotated[int, Field(ge=0, le=600)] = 60
    tee_key_paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteAppraiserSettings:
    """An Attestation Service elsewhere that appraises for this KBS.

    Attributes:
        url: its base address.
        ca_file: PEM file that its certificate is checked against.
        timeout_seconds: of one request.
        policy_id: the policy set asked for.
    """

    __pydantic_config__ = _STRICT
    url: str
    ca_file: Path | None = None
    timeout_seconds: Annotated[float, Field(gt=0, le=300)] = 30.0
    policy_id: str = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """The Key Broker Service.

    Attributes:
        session_lifetime_seconds: from the challenge on; covers the handshake and the cookie's use.
        issuers: trusted token issuers besides the built-in Attestation Service.
        insecure_http_issuers: fetch keys of issuers over plain HTTP from other machines.
        remote_appraiser: who appraises in the handshake; ``None`` is the built-in service.
        response_algorithms: TEE key algorithms that responses are sealed with.
        insecure_rsa1_5: seal with RSAES-PKCS1-v1_5 for very old guests.
        max_secret_bytes: larger secrets are refused.
        secret_reveal: whether who has the permission may read the value of a secret.
        secret_recovery_days: how long a deleted secret can be brought back before its sealed
            versions are erased.
    """

    __pydantic_config__ = _STRICT
    session_lifetime_seconds: Seconds = 300
    issuers: tuple[IssuerSettings, ...] = ()
    insecure_http_issuers: bool = False
    remote_appraiser: RemoteAppraiserSettings | None = None
    response_algorithms: tuple[ResponseAlgorithm, ...] = ("ECDH-ES+A256KW", "RSA-OAEP-256")
    insecure_rsa1_5: bool = False
    max_secret_bytes: Annotated[int, Field(ge=1, le=64 * 1024 * 1024)] = 1024 * 1024
    secret_reveal: bool = True
    secret_recovery_days: Annotated[int, Field(ge=1, le=3650)] = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityProviderSettings:
    """Who signs operators' bearer tokens.

    Attributes:
        name: what the audit log calls it.
        public_key_file: PEM file of a public key, or
        jwks_file: a key set as a file; tokens then carry a ``kid``.
        issuer: required ``iss``; ``None`` checks none.
        audience: required ``aud``; ``None`` checks none.
        algorithms: accepted signature algorithms.
    """

    __pydantic_config__ = _STRICT
    name: str
    public_key_file: Path | None = None
    jwks_file: Path | None = None
    issuer: str | None = None
    audience: str | None = None
    algorithms: tuple[str, ...] = ("EdDSA", "Ed25519")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRuleSettings:
    """One line of the access list for bearer tokens; what no line allows is refused.

    Attributes:
        role: the ``role`` claim it is about.
        methods: HTTP methods; ``*`` is every method.
        paths: patterns of routed paths, segment by segment: ``*`` is any one segment, a final
            ``**`` is any rest.
    """

    __pydantic_config__ = _STRICT
    role: str
    methods: Annotated[tuple[str, ...], Field(min_length=1)]
    paths: Annotated[tuple[str, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminSettings:
    """Operators' access by REST. Without a provider and a rule, every such call is refused.

    Attributes:
        identity_providers: who signs operators' bearer tokens.
        access: which role may call which method on which path.
    """

    __pydantic_config__ = _STRICT
    identity_providers: tuple[IdentityProviderSettings, ...] = ()
    access: tuple[AccessRuleSettings, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OIDCRoleSettings:
    """One line of the mapping from a claim to a role."""

    __pydantic_config__ = _STRICT
    value: str
    role: OperatorRole


@dataclass(frozen=True, slots=True, kw_only=True)
class OIDCSettings:
    """The OpenID provider that operators may sign in with.

    Attributes:
        issuer: exactly as its description spells it.
        client_id: under which this console is registered there.
        client_secret_file: file with the client's secret.
        roles: which role comes from which value of the claim; of several the first that fits.
        role_claim: the claim of the ID token, with dots where it lies deeper.
        scopes: what is asked for.
        label: what the button says.
        ca_file: PEM file that the provider's TLS is checked against.
    """

    __pydantic_config__ = _STRICT
    issuer: str
    client_id: str
    client_secret_file: Path
    roles: Annotated[tuple[OIDCRoleSettings, ...], Field(min_length=1)]
    role_claim: str = "groups"
    scopes: tuple[str, ...] = ("openid", "profile")
    label: str = "single sign-on"
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSettings:
    """Operators' pages, and how operators change things.

    Attributes:
        session_idle_seconds: a console session that is not used for so long ends.
        session_lifetime_seconds: every console session ends after so long.
        proof_lifetime_seconds: for so long after signing in, or showing again who it is, an
            operator may do what is dangerous.
        two_person_rule: whether changes of policies and reference values need the approval of
            someone who did not propose them. It does not cover secrets, examples of policies,
            issuers, keys, collateral and accounts.
        second_factor_roles: operators of these roles must have a second factor.
        oidc: the provider of single sign-on; ``None`` when there is none.
    """

    __pydantic_config__ = _STRICT
    session_idle_seconds: Seconds = 1800
    session_lifetime_seconds: Seconds = 28800
    proof_lifetime_seconds: Seconds = 900
    two_person_rule: bool = False
    second_factor_roles: tuple[OperatorRole, ...] = ()
    oidc: OIDCSettings | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSettings:
    """The record of what operators did.

    Attributes:
        retention_days: older records are pruned, and the log says so; ``None`` keeps everything.
    """

    __pydantic_config__ = _STRICT
    retention_days: Annotated[int, Field(ge=1, le=36_500)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    """How often one address may ask, in the notation ``<count>/<second|minute|hour>``.

    The counters live in each process: they are a brake on floods, not an exact quota.

    Attributes:
        handshake: of challenges and attestations.
        sign_in: of attempts to sign in to the console.
    """

    __pydantic_config__ = _STRICT
    handshake: str = "6000/minute"
    sign_in: str = "10/minute"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """What is logged and how.

    Attributes:
        level: the least severe level that is written.
        format: ``json`` for collectors, ``text`` for people.
    """

    __pydantic_config__ = _STRICT
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "text"] = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that shapes a server.

    Attributes:
        roles: what this process serves: ``as``, ``kbs``, ``console``.
    """

    __pydantic_config__ = _STRICT
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    database: DatabaseSettings
    sealing: SealingSettings
    server: ServerSettings = field(default_factory=ServerSettings)
    collateral: CollateralSettings = field(default_factory=CollateralSettings)
    attestation: AttestationSettings = field(default_factory=AttestationSettings)
    rvps: RVPSSettings = field(default_factory=RVPSSettings)
    broker: BrokerSettings = field(default_factory=BrokerSettings)
    admin: AdminSettings = field(default_factory=AdminSettings)
    console: ConsoleSettings = field(default_factory=ConsoleSettings)
    audit: AuditSettings = field(default_factory=AuditSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    log: LogSettings = field(default_factory=LogSettings)

    @property
    def public_url(self) -> str:
        """The address under which this server is reached."""
        if self.server.public_url:
            return self.server.public_url.rstrip("/")
        scheme = "https" if self.server.tls_certificate else "http"
        return f"{scheme}://{self.server.bind[0]}"

    @property
    def console_url(self) -> str:
        """The address under which the console is reached."""
        server = self.server
        if server.console_url:
            return server.console_url.rstrip("/")
        if server.console_bind:
            scheme = "https" if server.tls_certificate else "http"
            return f"{scheme}://{server.console_bind[0]}"
        return self.public_url

    @property
    def token_issuer(self) -> str:
        """``iss`` of the tokens that this server signs."""
        return self.attestation.issuer or self.public_url


def insecure_settings(settings: object, prefix: str = "") -> list[str]:
    """The names of all weakening settings that are on, such as ``server.insecure_http``."""
    found = []
    for each in fields(settings):  # type: ignore[arg-type]  # a settings dataclass by construction
        value = getattr(settings, each.name)
        if each.name.startswith("insecure_") and value:
            found.append(prefix + each.name)
        elif is_dataclass(value):
            found += insecure_settings(value, f"{prefix}{each.name}.")
    return found


def is_loopback(host: str) -> bool:
    """Whether an address or name can only be reached from this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
