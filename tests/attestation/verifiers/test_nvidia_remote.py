"""NVIDIA's service: its tokens are checked, its keys are kept; a service of our own answers."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from fakes import NOON
from simulated.collateral import MemoryCollateral
from simulated.nras import KEY_SET_URL, SimulatedNRAS, encoded, judgement, public_jwk, times

from app.attestation.collateral.nras import NRAS, open_client
from app.attestation.evidence import Binding, Claims, Context, UnverifiedEvidence
from app.attestation.verifiers.nvidia import NVIDIAVerifier
from app.trust.errors import (
    BindingMismatchError,
    CollateralUnavailableError,
    ConfigError,
    DomainError,
    MalformedEvidenceError,
    SignatureError,
    StaleCollateralError,
)

REPORT_DATA = bytes(range(48))
NONCE = REPORT_DATA[:32].hex()
NOW = int(NOON.timestamp())


def entry(number: int = 0, arch: str = "BLACKWELL") -> dict[str, Any]:
    """A device; only the service knows whether its evidence is good."""
    return {
        "arch": arch,
        "evidence": base64.b64encode(b"report").decode(),
        "certificate": base64.b64encode(b"chain %d" % number).decode(),
    }


def verify(
    service: SimulatedNRAS | NVIDIAVerifier,
    *devices: dict[str, Any],
    now: datetime = NOON,
    report_data: bytes | None = REPORT_DATA,
    **options: Any,
) -> list[Claims]:
    """The claims, or the refusal."""
    verifier = service
    if isinstance(service, SimulatedNRAS):
        verifier = NVIDIAVerifier(nras=NRAS(lambda: service))
    context = Context(now, MemoryCollateral({}), {"type": "Remote"} | options)
    body = {"device_evidence_list": list(devices or (entry(),))}
    return verifier.verify(UnverifiedEvidence("nvidia", body), Binding(report_data), context)


# --- Accepted ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arch", "kind"), [("HOPPER", "gpu"), ("BLACKWELL", "gpu"), ("LS10", "switch")]
)
def test_the_service_s_claims_are_ours(arch: str, kind: str) -> None:
    """With its judgement over all; tokens are base64url (wire.md 14.2, 42)."""
    service = SimulatedNRAS()
    (claims,) = verify(service, entry(arch=arch))
    assert claims.tee_class == kind
    assert claims.values == judgement(kind) | {"x-nvidia-overall-att-result": True}
    assert {"-", "_"} & set(service.token(judgement(kind)).split(".")[1])
    assert service.asked[0] == f"https://nras.attestation.nvidia.com/v4/attest/{kind}"
    assert service.posted == [
        {
            "nonce": NONCE,
            "arch": arch,
            "claims_version": "3.0",
            "evidence_list": [
                {name: entry()[name] for name in ("evidence", "certificate")},
            ],
        }
    ]


def test_keys_are_fetched_once_an_hour() -> None:
    """And not for every verification (wire.md 14.2, 42)."""
    service = SimulatedNRAS()
    verifier = NVIDIAVerifier(nras=NRAS(lambda: service))
    for minutes in (0, 1, 59):
        assert verify(verifier, now=NOON + timedelta(minutes=minutes))
    assert service.asked.count(KEY_SET_URL) == 1
    service.overall |= times(exp=NOW + 9000)
    service.claims = lambda kind, _: judgement(kind, exp=NOW + 9000)
    assert verify(verifier, now=NOON + timedelta(minutes=60))
    assert service.asked.count(KEY_SET_URL) == 2


def test_an_unknown_key_is_asked_for_once_a_minute() -> None:
    """NVIDIA may change its key at any time; a liar cannot make us ask more often."""
    service = SimulatedNRAS()
    verifier = NVIDIAVerifier(nras=NRAS(lambda: service))
    assert verify(verifier)
    service.key, service.key_id = ec.generate_private_key(ec.SECP384R1()), "nv-2"
    for seconds in (1, 30, 59):
        with pytest.raises(SignatureError):
            verify(verifier, now=NOON + timedelta(seconds=seconds))
    assert service.asked.count(KEY_SET_URL) == 1
    service.keys.append(public_jwk(service.key, "nv-2"))
    assert verify(verifier, now=NOON + timedelta(seconds=60))
    assert service.asked.count(KEY_SET_URL) == 2


def test_other_addresses_are_asked_when_settings_say_so() -> None:
    """A service at the site, with keys of its own."""
    service = SimulatedNRAS()
    assert verify(
        service, verifier_url="https://nras.example/v4/attest/", jwks_url="http://127.0.0.1/keys"
    )
    assert service.asked == ["https://nras.example/v4/attest/gpu", "http://127.0.0.1/keys"]


# --- Refused -----------------------------------------------------------------------------------


def device(**changes: Any) -> Callable[[SimulatedNRAS], None]:
    """The device's token says something else; an ellipsis takes a claim away."""

    def change(service: SimulatedNRAS) -> None:
        claims = {k: v for k, v in judgement(**changes).items() if v is not ...}
        service.claims = lambda *_: claims

    return change


def over_all(**changes: Any) -> Callable[[SimulatedNRAS], None]:
    """The token over all says something else."""

    def change(service: SimulatedNRAS) -> None:
        claims = service.overall | changes
        service.overall = {name: value for name, value in claims.items() if value is not ...}

    return change


def header(**changes: Any) -> Callable[[SimulatedNRAS], None]:
    """Another header."""
    return lambda service: service.header.update(changes)


def answer(mutate: Callable[[Any], Any]) -> Callable[[SimulatedNRAS], None]:
    """Another answer."""
    return lambda service: setattr(service, "mutate", mutate)


def keys(*entries: Any) -> Callable[[SimulatedNRAS], None]:
    """Another key set."""
    return lambda service: setattr(service, "keys", list(entries))


def status(field: str, value: int) -> Callable[[SimulatedNRAS], None]:
    """Another status."""
    return lambda service: setattr(service, field, value)


def forged(service: SimulatedNRAS) -> None:
    """Signed by another key under the id of the service's."""
    service.key = ec.generate_private_key(ec.SECP384R1())


def swapped(found: Any) -> Any:
    """The payload of one token under the signature of the other."""
    one, other = found[0][1].split("."), found[1]["GPU-0"].split(".")
    return [["JWT", found[0][1]], {"GPU-0": ".".join([one[0], other[1], one[2]])}]


def resigned(text: bytes) -> Callable[[SimulatedNRAS], None]:
    """A token whose signature is another."""

    def mutate(found: Any) -> Any:
        start = found[1]["GPU-0"].rpartition(".")[0]
        return [found[0], {"GPU-0": f"{start}.{encoded(text)}"}]

    return answer(mutate)


GPU = "x-nvidia-gpu-attestation-report-nonce-match"
JWK = public_jwk(ec.generate_private_key(ec.SECP384R1()), "nv-1")
REFUSED: dict[str, tuple[Callable[[SimulatedNRAS], None], type[DomainError]]] = {
    "the nonce does not match": (device(**{GPU: False}), BindingMismatchError),
    "nothing is said of the nonce": (device(**{GPU: ...}), BindingMismatchError),
    "the nonce matches, says a text": (device(**{GPU: "true"}), BindingMismatchError),
    "the nonce matches, says a number": (device(**{GPU: 1}), BindingMismatchError),
    "another nonce is named": (device(eat_nonce="00"), BindingMismatchError),
    "a nonce of a list is named": (device(eat_nonce=[NONCE]), BindingMismatchError),
    "expired": (device(exp=NOW - 60), StaleCollateralError),
    "not begun": (device(nbf=NOW + 61), StaleCollateralError),
    "expired over all": (over_all(exp=NOW - 60), StaleCollateralError),
    "not begun over all": (over_all(nbf=NOW + 61), StaleCollateralError),
    **{
        f"no {name}": (device(**{name: ...}), CollateralUnavailableError)
        for name in ("exp", "nbf", "iat", "iss")
    },
    "exp of a boolean": (device(exp=True), CollateralUnavailableError),
    "exp of a text": (device(exp="1"), CollateralUnavailableError),
    "exp of another age": (device(exp=10**30), CollateralUnavailableError),
    "nbf below zero": (device(nbf=-1), CollateralUnavailableError),
    "iss of a number": (device(iss=1), CollateralUnavailableError),
    "no judgement over all": (
        over_all(**{"x-nvidia-overall-att-result": ...}),
        CollateralUnavailableError,
    ),
    "another algorithm": (header(alg="ES256"), SignatureError),
    "no algorithm": (header(alg="none"), SignatureError),
    "a critical header": (header(crit=["x"]), SignatureError),
    "an unknown key": (header(kid="other"), SignatureError),
    "no key": (header(kid=None), CollateralUnavailableError),
    "forged": (forged, SignatureError),
    "a signature of another token": (answer(swapped), SignatureError),
    "no signature": (resigned(b""), SignatureError),
    "a signature of zeros": (resigned(bytes(96)), SignatureError),
    "a signature of 95 bytes": (resigned(bytes(95)), SignatureError),
    "two devices": (
        answer(lambda found: [found[0], found[1] | {"GPU-1": found[1]["GPU-0"]}]),
        CollateralUnavailableError,
    ),
    "no device": (answer(lambda found: [found[0], {}]), CollateralUnavailableError),
    "no token over all": (answer(lambda found: [found[1]]), CollateralUnavailableError),
    "a token of another kind": (
        answer(lambda found: [["CWT", found[0][1]], found[1]]),
        CollateralUnavailableError,
    ),
    "a token of a number": (
        answer(lambda found: [["JWT", 1], found[1]]),
        CollateralUnavailableError,
    ),
    "a token of two parts": (
        answer(lambda found: [["JWT", "a.b"], found[1]]),
        CollateralUnavailableError,
    ),
    "a token in base64": (
        answer(lambda found: [["JWT", found[0][1] + "="], found[1]]),
        CollateralUnavailableError,
    ),
    "a text": (answer(lambda _: "?"), CollateralUnavailableError),
    "keys of nobody": (keys(), CollateralUnavailableError),
    "keys of another curve": (keys(JWK | {"crv": "P-256"}), CollateralUnavailableError),
    "a key off the curve": (keys(JWK | {"x": JWK["y"]}), CollateralUnavailableError),
    "a key that is short": (keys(JWK | {"x": "AA"}), CollateralUnavailableError),
    "a key in base64": (keys(JWK | {"x": "+" * 64}), CollateralUnavailableError),
    "too many keys": (keys(*[JWK] * 65), CollateralUnavailableError),
    "another key": (keys(JWK), SignatureError),
    "no answer": (status("down", 1), CollateralUnavailableError),
    "an error": (status("status", 500), CollateralUnavailableError),
    "too many questions": (status("status", 429), CollateralUnavailableError),
    "evidence that it does not take": (status("status", 400), MalformedEvidenceError),
    "evidence that it cannot process": (status("status", 422), MalformedEvidenceError),
    "no keys": (status("keys_status", 404), CollateralUnavailableError),
}


@pytest.mark.parametrize("name", REFUSED)
def test_each_thing_that_is_wrong_has_its_reason(name: str) -> None:
    """Whoever stands between us and the service gains nothing."""
    mutate, expected = REFUSED[name]
    service = SimulatedNRAS()
    mutate(service)
    with pytest.raises(DomainError) as refusal:
        verify(service)
    assert type(refusal.value) is expected


@pytest.mark.parametrize("times_changed", [{"exp": NOW - 59}, {"nbf": NOW + 60}])
def test_clocks_may_differ_by_a_minute(times_changed: dict[str, int]) -> None:
    """And no more."""
    service = SimulatedNRAS()
    device(**times_changed)(service)
    assert verify(service)


def test_the_nonce_is_named_in_any_case() -> None:
    """Hex is hex."""
    service = SimulatedNRAS()
    device(eat_nonce=NONCE.upper())(service)
    assert verify(service)


@pytest.mark.parametrize("report_data", [None, b""])
def test_report_data_must_be_there(report_data: bytes | None) -> None:
    """The service is not even asked."""
    service = SimulatedNRAS()
    with pytest.raises(BindingMismatchError):
        verify(service, report_data=report_data)
    assert service.asked == []


def test_one_device_does_not_count_twice() -> None:
    """By its chain, or by the name that the service gives it."""
    service = SimulatedNRAS()
    with pytest.raises(MalformedEvidenceError, match="one device"):
        verify(service, entry(1), entry(1))
    service.claims = lambda kind, _: judgement(kind, ueid="7")
    with pytest.raises(MalformedEvidenceError, match="one device"):
        verify(service, entry(1), entry(2))


# --- Protected PCIe ----------------------------------------------------------------------------

SWITCHES = [f"{number:016x}" for number in range(1, 5)]
GPUS = [f"{number:016x}" for number in range(11, 19)]


class Machine:
    """Eight processors and four switches, which the service tells apart by their chain."""

    def __init__(self) -> None:
        self.gpus: list[dict[str, Any]] = [
            {"x-nvidia-gpu-switch-pdis": list(SWITCHES)} for _ in GPUS
        ]
        self.switches: list[dict[str, Any]] = [
            {"x-nvidia-switch-pdi": each, "x-nvidia-switch-gpu-pdis": list(GPUS)}
            for each in SWITCHES
        ]

    def classes(self) -> list[str]:
        """What the evidence of the machine proves."""
        service = SimulatedNRAS()
        service.claims = self._claims
        devices = [entry(number) for number in range(len(self.gpus))]
        devices += [entry(20 + number, "LS10") for number in range(len(self.switches))]
        return [each.tee_class for each in verify(service, *devices)]

    def _claims(self, kind: str, asked: Any) -> dict[str, Any]:
        chain = base64.b64decode(asked["evidence_list"][0]["certificate"])
        number = int(chain.split()[1])
        found = self.gpus[number] if kind == "gpu" else self.switches[number - 20]
        return judgement(kind) | found


def test_a_whole_machine_is_a_topology() -> None:
    """One set of claims more, which has a policy of its own."""
    assert Machine().classes() == ["gpu"] * 8 + ["switch"] * 4 + ["ppcie"]


PARTIAL: dict[str, Callable[[Machine], Any]] = {
    "seven processors": lambda m: m.gpus.pop(),
    "three switches": lambda m: m.switches.pop(),
    "a processor without switches": lambda m: m.gpus[3].clear(),
    "a processor with a switch of zeros": lambda m: m.gpus[3].update(
        {"x-nvidia-gpu-switch-pdis": [*SWITCHES[:3], "0" * 16]}
    ),
    "a processor with another switch": lambda m: m.gpus[3].update(
        {"x-nvidia-gpu-switch-pdis": [*SWITCHES[:3], "f" * 16]}
    ),
    "a processor with a text": lambda m: m.gpus[3].update({"x-nvidia-gpu-switch-pdis": "1"}),
    "a switch without a name": lambda m: m.switches[0].pop("x-nvidia-switch-pdi"),
    "a switch with another's name": lambda m: m.switches[0].update(
        {"x-nvidia-switch-pdi": SWITCHES[1]}
    ),
    "a switch with seven processors": lambda m: m.switches[0].update(
        {"x-nvidia-switch-gpu-pdis": GPUS[:7]}
    ),
    "switches with seven processors": lambda m: [
        each.update({"x-nvidia-switch-gpu-pdis": GPUS[:7] * 2}) for each in m.switches
    ],
    "a switch with another processor": lambda m: m.switches[0].update(
        {"x-nvidia-switch-gpu-pdis": [*GPUS[:7], "f" * 16]}
    ),
}


@pytest.mark.parametrize("name", PARTIAL)
def test_another_machine_is_none_and_no_error(name: str) -> None:
    """Each device is still judged by itself."""
    machine = Machine()
    PARTIAL[name](machine)
    found = machine.classes()
    assert "ppcie" not in found
    assert found == ["gpu"] * len(machine.gpus) + ["switch"] * len(machine.switches)


# --- Options and parsers -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"type": "both"},
        {"type": 1},
        {"verifier_url": 1},
        {"verifier_url": "http://nras.example"},
        {"jwks_url": "https://user@nras.example"},
        {"typo": 1},
    ],
)
def test_options_that_cannot_serve_are_refused(options: dict[str, Any]) -> None:
    """Before anything is served."""
    with pytest.raises(ConfigError, match=r"attestation\.verifier_options\.nvidia"):
        NVIDIAVerifier().check_options(options)


@pytest.mark.parametrize("mode", ["Local", "local", "Remote", "remote"])
def test_both_spellings_are_options(mode: str) -> None:
    """Trustee writes a capital."""
    NVIDIAVerifier().check_options({"type": mode})


def test_the_real_client_is_made_when_it_is_needed() -> None:
    """With the bounds of every client; nothing is asked here."""
    assert open_client() is not open_client()
