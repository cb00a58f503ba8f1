"""CCA tokens that a Veraison service verifies: believed under one key, about one challenge."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cbor2
import pytest
from fakes import NOON
from joserfc import jws
from joserfc.jwk import ECKey
from simulated.cca import SimulatedCCA
from simulated.collateral import MemoryCollateral

from app.attestation.collateral.veraison import MEDIA_TYPE, Veraison
from app.attestation.evidence import Binding, Claims, Context, UnverifiedEvidence
from app.attestation.verifiers.cca import CCAVerifier
from app.trust.errors import ConfigError, DomainError
from app.trust.http_client import HTTPReply, OutsideError
from guest.wire.encoding import b64_encode, b64url_encode

BOUND = Binding(b"bound")
URL = "https://veraison.example"
KEY, OTHER = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")
PLATFORM = SimulatedCCA()
TOKEN = PLATFORM.token()
CHALLENGE = b"bound".ljust(64, b"\0")


@dataclass
class Service:
    """The port ``HTTPClient``, with a Veraison behind it."""

    key: ECKey = field(default_factory=lambda: KEY)
    claims: Callable[[dict[str, Any]], dict[str, Any]] = lambda honest: honest
    location: str = "session/7"
    opens: int = 201
    status: int = 200
    body: bytes | None = None
    down: bool = False
    asked: list[tuple[str, bytes, str]] = field(default_factory=list)

    def get(self, url: str) -> HTTPReply:
        """Nothing is ever got."""
        raise AssertionError(url)

    def post_json(self, url: str, body: bytes) -> HTTPReply:
        """Nothing is ever posted so."""
        raise AssertionError(url)

    def post(self, url: str, body: bytes, media_type: str) -> HTTPReply:
        """A new session, or the result of one."""
        if self.down:
            raise OutsideError("no answer")
        self.asked.append((url, body, media_type))
        if "newSession" in url:
            return HTTPReply(self.opens, {"location": self.location}, b"{}")
        result = json.dumps({"status": "complete", "result": self.result()}).encode()
        return HTTPReply(self.status, {}, result if self.body is None else self.body)

    def result(self) -> str:
        """The result, signed."""
        realm = {"cca-realm-challenge": b64_encode(CHALLENGE)}
        claims = {
            "eat_nonce": b64url_encode(CHALLENGE),
            "submods": {
                "CCA_SSD_PLATFORM": {
                    "ear.status": "affirming",
                    "ear.veraison.annotated-evidence": {"cca-platform-instance-id": "x"},
                },
                "CCA_REALM": {
                    "ear.status": "affirming",
                    "ear.veraison.annotated-evidence": realm,
                },
            },
        }
        text = json.dumps(self.claims(claims))
        return jws.serialize_compact({"alg": "ES256"}, text, self.key, algorithms=["ES256"])


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """The service's public key, as the operator pinned it."""
    path = tmp_path / "veraison.jwk"
    path.write_text(json.dumps(KEY.as_dict(private=False)))
    return path


def verify(
    service: Service, key_file: Path, token: bytes = TOKEN, binding: Binding = BOUND
) -> Claims:
    """The claims, or the refusal."""
    verifier = CCAVerifier(Veraison(lambda _: service))
    options = {"type": "remote", "address": URL, "key_file": str(key_file)}
    context = Context(NOON, MemoryCollateral({}), options)
    evidence = UnverifiedEvidence("cca", {"token": [*token]})
    (claims,) = verifier.verify(evidence, binding, context)
    return claims


def test_the_service_s_evidence_becomes_the_claims(key_file: Path) -> None:
    """It gets the token as it came, in a session for the realm's challenge."""
    service = Service()
    claims = verify(service, key_file).values
    assert claims["platform"] == {"cca-platform-instance-id": "x"}
    assert claims["report_data"] == CHALLENGE.hex()
    (opened, _, _), (posted, body, media_type) = service.asked
    assert opened.startswith(f"{URL}/challenge-response/v1/newSession?nonce=")
    assert (posted, body) == (f"{URL}/challenge-response/v1/session/7", TOKEN)
    assert media_type == MEDIA_TYPE


def without(*path: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Claims that lack a member."""

    def change(claims: dict[str, Any]) -> dict[str, Any]:
        place = claims
        for each in path[:-1]:
            place = place[each]
        del place[path[-1]]
        return claims

    return change


def status(value: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Claims with another status of the platform."""

    def change(claims: dict[str, Any]) -> dict[str, Any]:
        claims["submods"]["CCA_SSD_PLATFORM"]["ear.status"] = value
        return claims

    return change


def other_realm(claims: dict[str, Any]) -> dict[str, Any]:
    """Claims about another realm."""
    realm = claims["submods"]["CCA_REALM"]["ear.veraison.annotated-evidence"]
    realm["cca-realm-challenge"] = b64_encode(bytes(64))
    return claims


LIES: dict[str, tuple[Service, str]] = {
    "another key": (Service(OTHER), "signature-invalid"),
    "another challenge": (
        Service(claims=lambda honest: honest | {"eat_nonce": b64url_encode(bytes(64))}),
        "binding-mismatch",
    ),
    "no challenge": (Service(claims=without("eat_nonce")), "binding-mismatch"),
    "another realm": (Service(claims=other_realm), "binding-mismatch"),
    "a platform that warns": (Service(claims=status("warning")), "tcb-unsupported"),
    "a platform without status": (Service(claims=status(None)), "tcb-unsupported"),
    "no platform": (
        Service(claims=without("submods", "CCA_SSD_PLATFORM")),
        "collateral-unavailable",
    ),
    "no realm": (Service(claims=without("submods", "CCA_REALM")), "collateral-unavailable"),
    "no evidence": (
        Service(claims=without("submods", "CCA_REALM", "ear.veraison.annotated-evidence")),
        "collateral-unavailable",
    ),
    "no session": (Service(opens=500), "collateral-unavailable"),
    "no address": (Service(location=""), "collateral-unavailable"),
    "silence": (Service(down=True), "collateral-unavailable"),
    "a fault": (Service(status=500), "collateral-unavailable"),
    "a page": (Service(body=b"<html>"), "collateral-unavailable"),
    "no result": (Service(body=b'{"status": "processing"}'), "collateral-unavailable"),
    "a refusal": (Service(status=400), "malformed-evidence"),
}


@pytest.mark.parametrize(("service", "code"), LIES.values(), ids=LIES)
def test_the_service_is_believed_under_its_key_and_about_this_challenge(
    key_file: Path, service: Service, code: str
) -> None:
    """Everything else is refused for its reason."""
    with pytest.raises(DomainError) as refusal:
        verify(service, key_file)
    assert refusal.value.code == code


def test_the_binding_is_checked_before_anyone_is_asked(key_file: Path) -> None:
    """Evidence of someone else's session is none of the service's business."""
    service = Service()
    for binding in (Binding(b"other"), Binding(None), Binding(b"bound", b"init")):
        with pytest.raises(DomainError):
            verify(service, key_file, binding=binding)
    with pytest.raises(DomainError):
        verify(service, key_file, token=cbor2.dumps(7))
    assert service.asked == []


def test_a_session_elsewhere_is_not_followed(key_file: Path) -> None:
    """Only its path counts."""
    service = Service(location="https://attacker.example/session/9")
    verify(service, key_file)
    assert service.asked[1][0] == f"{URL}/session/9"


@pytest.mark.parametrize(
    "options",
    [
        {"type": "remote"},
        {"type": "remote", "address": "http://veraison.example", "key_file": "/x"},
        {"type": "remote", "address": URL, "key_file": "/nowhere"},
        {"type": "remote", "address": URL, "key_file": "/x", "more": 1},
        {"type": "remote", "address": 7, "key_file": "/x"},
        {"type": "remote", "address": URL, "key_file": "/x", "ca_cert": 7},
        {"type": "elsewhere"},
    ],
)
def test_options_that_cannot_serve_are_faults(options: dict[str, Any]) -> None:
    """Found at the start."""
    with pytest.raises(ConfigError):
        CCAVerifier().check_options(options)


def test_a_key_that_is_lost_later_is_an_outage(key_file: Path) -> None:
    """Nothing is believed without it."""
    CCAVerifier().check_options({"type": "remote", "address": URL, "key_file": str(key_file)})
    key_file.write_text("{}")
    with pytest.raises(DomainError) as refusal:
        verify(Service(), key_file)
    assert refusal.value.code == "collateral-unavailable"
