"""NVIDIA's devices that are revoked, or whose state nobody tells."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from fakes import NOON
from simulated.collateral import MemoryCollateral
from simulated.nvidia import NONCE, Holder, Plan, Report, SimulatedNVIDIA, evidence, issue

from app.attestation.collateral.catalogue import is_collateral_name
from app.attestation.collateral.nvidia import NVIDIACatalogue, ocsp_name
from app.attestation.collateral.states import Behaviour, CollateralRules, ConsultedCollateral
from app.attestation.evidence import Binding, Context, UnverifiedEvidence
from app.attestation.formats.nvidia_certificates import parse_certificate
from app.attestation.formats.nvidia_ocsp import state_name
from app.attestation.verifiers.nvidia import NVIDIAVerifier
from app.trust.errors import CollateralUnavailableError, ConfigError, DomainError

SITE = SimulatedNVIDIA()
STRANGER = SimulatedNVIDIA()
VERIFIER = NVIDIAVerifier().with_extra_roots(SITE.root.pem)
HOUR = timedelta(hours=1)
NAME = state_name(parse_certificate(SITE.identity.der), parse_certificate(SITE.root.der))
Builder = Callable[..., bytes]


def signer_for_answers(issuer: Holder = SITE.root, **plan: Any) -> Holder:
    """A responder that an authority appointed."""
    made = issue(Plan("OCSP Responder", authority=False, **plan), issuer)
    builder = (
        x509.CertificateBuilder()
        .subject_name(made.certificate.subject)
        .issuer_name(issuer.certificate.subject)
        .public_key(made.key.public_key())
        .serial_number(7)
        .not_valid_before(made.certificate.not_valid_before_utc)
        .not_valid_after(made.certificate.not_valid_after_utc)
    )
    if plan.get("cert_sign", True):
        usage = x509.ExtendedKeyUsage([x509.OID_OCSP_SIGNING])
        builder = builder.add_extension(usage, critical=False)
    return Holder(made.name, builder.sign(issuer.key, SHA384()), made.key)


def answer(
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    *,
    about: Holder = SITE.identity,
    signer: Holder = SITE.root,
    this_update: datetime = NOON - HOUR,
    next_update: datetime | None = NOON + HOUR,
    attach: bool = False,
) -> bytes:
    """What the responder says about a certificate, DER."""
    revoked = NOON - HOUR if status is ocsp.OCSPCertStatus.REVOKED else None
    builder = ocsp.OCSPResponseBuilder().add_response(
        about.certificate, SITE.root.certificate, SHA384(), status, this_update, next_update,
        revoked, None,
    ).responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate)  # fmt: skip
    if attach:
        builder = builder.certificates([signer.certificate])
    return builder.sign(signer.key, SHA384()).public_bytes(Encoding.DER)


def code(body: bytes | None, **options: Any) -> str:
    """The reason code of a genuine report, with this answer of the responder."""
    source = MemoryCollateral({} if body is None else {NAME: body})
    report = evidence(Report().signed_by(SITE.device), SITE.chain())
    context = Context(NOON, source, options)
    try:
        VERIFIER.verify(UnverifiedEvidence("nvidia", report), Binding(NONCE), context)
    except DomainError as error:
        return error.code
    return "accepted"


RESPONDER = signer_for_answers()
CASES: dict[str, tuple[Builder, str]] = {
    "good": (answer, "accepted"),
    "good, by a responder": (lambda: answer(signer=RESPONDER, attach=True), "accepted"),
    "revoked": (lambda: answer(ocsp.OCSPCertStatus.REVOKED), "certificate-revoked"),
    "unknown": (lambda: answer(ocsp.OCSPCertStatus.UNKNOWN), "chain-invalid"),
    "a stranger's": (lambda: answer(signer=STRANGER.root), "signature-invalid"),
    "a responder that is not attached": (lambda: answer(signer=RESPONDER), "signature-invalid"),
    "a stranger's responder": (
        lambda: answer(signer=signer_for_answers(STRANGER.root), attach=True),
        "signature-invalid",
    ),
    "a certificate that is no responder's": (
        lambda: answer(signer=signer_for_answers(cert_sign=False), attach=True),
        "signature-invalid",
    ),
    "a responder whose time is over": (
        lambda: answer(
            signer=signer_for_answers(not_before=NOON - 9 * HOUR, not_after=NOON - HOUR),
            attach=True,
        ),
        "signature-invalid",
    ),
    "about another device": (lambda: answer(about=SITE.device), "collateral-mismatch"),
    "over": (lambda: answer(next_update=NOON), "collateral-stale"),
    "without an end": (lambda: answer(next_update=None), "collateral-stale"),
    "not begun": (
        lambda: answer(this_update=NOON + HOUR, next_update=NOON + 2 * HOUR),
        "collateral-stale",
    ),
}


def test_the_longest_name_of_a_state_can_be_looked_up() -> None:
    """A digest of 48 bytes of name and key each, and a serial number of 20 bytes."""
    name = ocsp_name(b"\xff" * 48, b"\xff" * 48, 2**160 - 1)
    assert is_collateral_name(name)
    assert NVIDIACatalogue().find(name) is not None


@pytest.mark.parametrize(("build", "expected"), CASES.values(), ids=CASES)
def test_the_responder_is_heard_and_checked(build: Builder, expected: str) -> None:
    """Who answers, about what, when, and what."""
    assert code(build()) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x30\x03\x0a\x01\x00",
        ocsp.OCSPResponseBuilder.build_unsuccessful(
            ocsp.OCSPResponseStatus.UNAUTHORIZED
        ).public_bytes(Encoding.DER),
        answer()[:-1],
    ],
)
def test_no_answer_is_as_good_as_none(body: bytes) -> None:
    """What it means that there is none, settings say; ``require`` refuses it at once."""
    assert code(body, revocation="require") == "collateral-unavailable"
    assert code(None, revocation="require") == "collateral-unavailable"
    assert code(body) == "accepted"


def test_every_signed_bit_of_an_answer_counts() -> None:
    """Whatever is changed, the device is not vouched for by it."""
    honest = answer()
    signed = ocsp.load_der_ocsp_response(honest).tbs_response_bytes
    begin = honest.index(signed)
    for at in range(begin, begin + len(signed), 2):
        changed = honest[:at] + bytes([honest[at] ^ 1 << at % 8]) + honest[at + 1 :]
        assert code(changed, revocation="require") != "accepted"


def test_the_question_is_the_one_of_the_certificate() -> None:
    """As the library would ask it, about the certificate and its issuer."""
    found = NVIDIACatalogue().find(NAME)
    assert found is not None
    assert found.question is not None
    asked = ocsp.load_der_ocsp_request(found.question.body)
    expected = (
        ocsp.OCSPRequestBuilder()
        .add_certificate(SITE.identity.certificate, SITE.root.certificate, SHA384())
        .build()
    )
    assert found.question.body == expected.public_bytes(Encoding.DER)
    assert asked.serial_number == SITE.identity.certificate.serial_number


def test_an_unknown_choice_is_a_fault() -> None:
    """At the start."""
    with pytest.raises(ConfigError):
        VERIFIER.check_options({"revocation": "never"})


@pytest.mark.parametrize("body", [None, b"", answer()[:-1]])
def test_settings_decide_about_an_answer_that_is_none(body: bytes | None) -> None:
    """Whoever answers with anything does not have the question left out."""
    source = MemoryCollateral({} if body is None else {NAME: body})
    report = UnverifiedEvidence("nvidia", evidence(Report().signed_by(SITE.device), SITE.chain()))
    for rules, refused in (
        (CollateralRules(), True),
        (CollateralRules(missing=Behaviour.CLAIM), False),
    ):
        consulted = ConsultedCollateral(source, rules, NOON)
        VERIFIER.verify(report, Binding(NONCE), Context(NOON, consulted, {"manifests": "skip"}))
        assert consulted.claims() == {"collateral_state": "missing"}
        if refused:
            with pytest.raises(CollateralUnavailableError):
                consulted.check()
        else:
            consulted.check()
