"""What a console has to show: a small company's secrets, values, operators, and its guests' days.

Every decision here is genuine: the server's own appraisal, policies and release made it. Only the
claims are invented, because a stand-in takes the place of the verifiers of hardware.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric import ec

from app.attestation.evidence import Binding, Claims, Context, UnverifiedEvidence, Verifier
from app.attestation.reference_values import DraftReferenceValue
from app.blueprints.services import Services
from app.broker.secrets import ResourceID
from app.console.permissions import Role
from app.trust.audit import Actor
from app.trust.errors import DomainError, RevokedError, SignatureError, StaleCollateralError
from app.trust.json_types import JSONObject
from guest.wire.appraisals import AttestationEvaluation, VerificationRequest
from guest.wire.encoding import b64url_encode

SEED = Actor("bench:seed", Role.OWNER, "127.0.0.1")

OPERATORS = (
    ("ada", Role.OWNER),
    ("brendan", Role.OWNER),
    ("chidi", Role.POLICY_AUTHOR),
    ("dorothea", Role.POLICY_AUTHOR),
    ("emeka", Role.SECRET_CUSTODIAN),
    ("fatima", Role.SECRET_CUSTODIAN),
    ("giulia", Role.OPERATOR),
    ("hiro", Role.AUDITOR),
    ("ines", Role.VIEWER),
)
SECRETS = (
    ("payments", "database", "password"),
    ("payments", "tls", "server-key"),
    ("payments", "signing", "invoice-key"),
    ("inference", "model", "weights-key"),
    ("inference", "model", "tokenizer-key"),
    ("inference", "registry", "pull-credentials"),
    ("clinic", "records", "volume-key"),
    ("clinic", "records", "backup-key"),
    ("default", "demo", "secret"),
    ("default", "security-policy", "image-policy"),
)
ISSUER = "partner"
DELETED = ("inference", "model", "tokenizer-key")
_MISSING = "payments/database/pasword"
_BUILD = "5f1c2a7be0d94c8a" * 6
_NEXT_BUILD = "a93e0b77c1d2465f" * 6
_UNKNOWN_BUILD = "0badc0de41b2c3d4" * 6
_MR_TD = "91d7c3aa45e06b2f" * 6

# Name, value, and the days until it expires.
REFERENCE_VALUES = (
    ("snp_launch_measurement", [_BUILD, _NEXT_BUILD], 40),
    ("snp_bootloader", [4, 5], 200),
    ("snp_microcode", [211, 213], 200),
    ("snp_snp_svn", [22, 23], 200),
    ("snp_tee_svn", [0], 200),
    ("snp_smt_enabled", True, 200),
    ("snp_tsme_enabled", False, 200),
    ("snp_guest_abi_major", 0, 200),
    ("snp_guest_abi_minor", 31, 200),
    ("snp_single_socket", False, 200),
    ("snp_smt_allowed", True, 200),
    ("mr_td", [_MR_TD], 5),
    ("rtmr_1", ["7c" * 48], 5),
    ("rtmr_2", ["1e" * 48], 5),
    ("xfam", ["e702060000000000"], 90),
    ("launch_digest", ["abcde"], 365),
    ("svn", ["1"], 365),
    ("major_version", 1, 365),
    ("minimum_minor_version", 4, 365),
    ("rvps:///vendor/firmware:v2", ["3fa1c77e"], 12),
)


def _snp(measurement: str, **changed: object) -> JSONObject:
    claims: JSONObject = {
        "measurement": measurement,
        "reported_tcb_bootloader": 4,
        "reported_tcb_microcode": 213,
        "reported_tcb_snp": 22,
        "reported_tcb_tee": 0,
        "platform_smt_enabled": True,
        "platform_tsme_enabled": False,
        "policy_abi_major": 0,
        "policy_abi_minor": 31,
        "policy_debug_allowed": False,
        "policy_migrate_ma": False,
        "policy_single_socket": False,
        "policy_smt_allowed": True,
    }
    claims.update(changed)  # type: ignore[arg-type]
    return claims


def _tdx(status: str) -> JSONObject:
    return {
        "quote": {
            "header": {"tee_type": "81000000", "vendor_id": "939a7233f79c4ca9940a0db3957f0607"},
            "body": {
                "mr_td": _MR_TD,
                "rtmr_1": "7c" * 48,
                "rtmr_2": "1e" * 48,
                "xfam": "e702060000000000",
            },
        },
        "td_attributes": {"debug": False},
        "tcb_status": status,
        "collateral_expiration_status": "0",
    }


def _sample(svn: str) -> JSONObject:
    version: JSONObject = {"major": 1, "minor": 4}
    return {"svn": svn, "launch_digest": "abcde", "platform_version": version, "debug": False}


@dataclass(frozen=True, slots=True)
class Guest:
    """A kind of guest that comes by.

    Attributes:
        weight: how often, against the others.
        claims: what its hardware says, or why its evidence is refused.
        wants: paths that it asks for afterwards.
    """

    weight: int
    tee: str
    claims: JSONObject | DomainError
    wants: tuple[str, ...] = ()


_PAYMENTS = ("payments/database/password", "payments/tls/server-key")
_INFERENCE = ("inference/model/weights-key", "inference/registry/pull-credentials")
GUESTS = (
    Guest(40, "snp", _snp(_BUILD), _PAYMENTS),
    Guest(30, "snp", _snp(_NEXT_BUILD), _INFERENCE),
    Guest(22, "tdx", _tdx("UpToDate"), ("clinic/records/volume-key",)),
    Guest(8, "sample", _sample("1"), ("default/demo/secret",)),
    Guest(5, "snp", _snp(_UNKNOWN_BUILD), _PAYMENTS[:1]),
    Guest(3, "snp", _snp(_BUILD, policy_debug_allowed=True), _PAYMENTS[:1]),
    Guest(3, "tdx", _tdx("OutOfDate"), ("clinic/records/backup-key",)),
    Guest(2, "sample", _sample("0"), ("default/demo/secret",)),
    Guest(3, "snp", _snp(_BUILD), (_MISSING,)),
    Guest(2, "snp", SignatureError("the report's signature does not verify")),
    Guest(1, "snp", RevokedError("the chip's certificate is revoked")),
    Guest(2, "tdx", StaleCollateralError("the collateral of this platform is too old")),
)


class _StandIn:
    """A verifier that believes what it is told, for inventing hardware."""

    insecure = True

    def __init__(self, tee: str, told: JSONObject | DomainError) -> None:
        self.tee = tee
        self._told = told

    def verify(
        self,
        evidence: UnverifiedEvidence,  # noqa: ARG002  (as the port says)
        binding: Binding,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> list[Claims]:
        """See ``Verifier``."""
        if isinstance(self._told, DomainError):
            raise type(self._told)(self._told.message)
        return [Claims("cpu", {**self._told, "report_data": secrets.token_hex(64)})]


def furnish(services: Services) -> None:
    """Reference values, secrets with their versions, and operators; what is there stays."""
    now = services.clock.now()
    services.reference_values.add(
        [
            DraftReferenceValue(name, value, now + timedelta(days=days))  # type: ignore[arg-type]
            for name, value, days in REFERENCE_VALUES
        ],
        "release pipeline",
        SEED,
    )
    for path in SECRETS:
        for _ in range(1 + len(path[2]) % 3):
            services.custody.write(ResourceID(*path), secrets.token_bytes(32), SEED)
    services.custody.delete(ResourceID(*DELETED), SEED)
    issuer: JSONObject = {"name": ISSUER, "issuer": "https://as.partner.example"}
    services.issuer_desk.add(issuer | {"key_set": {"keys": [_signing_key()]}}, SEED)
    there = {operator.name for operator in services.operators.all()}
    for name, role in OPERATORS:
        if name not in there:
            services.operators.create(name, role, SEED)


def visit(services: Services, guest: Guest) -> Iterator[str]:
    """Let a guest attest and ask; the ids of the decisions that this made, in order."""
    verifier: Verifier = _StandIn(guest.tee, guest.claims)
    attestation = replace(services.attestation, verifiers={guest.tee: verifier})
    nonce = attestation.challenges.issue(services.clock.now()).nonce
    runtime_data: JSONObject = {"nonce": nonce, "tee-pubkey": _tee_key()}
    request = VerificationRequest(guest.tee, {}, runtime_data)
    try:
        appraised = attestation.attest(AttestationEvaluation((request,)))
    except DomainError as error:
        yield error.decision_id or ""
        return
    yield appraised.record.decision_id
    for path in guest.wants:
        yield _ask(services, appraised.token, path)


def _ask(services: Services, token: str, path: str) -> str:
    try:
        released = services.kbs.release(
            cookie=None, bearer=token, plugin="resource", segments=path.split("/"), query={}
        )
    except DomainError as error:
        return error.decision_id or ""
    return released.decision_id


def _tee_key() -> JSONObject:
    return _public_jwk("ECDH-ES+A256KW")


def _signing_key() -> JSONObject:
    return _public_jwk("ES256") | {"use": "sig", "kid": "partner-2026"}


def _public_jwk(algorithm: str) -> JSONObject:
    numbers = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    x, y = (b64url_encode(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "alg": algorithm, "x": x, "y": y}
