"""Every set of claims that a verifier makes in these tests is looked up in the dictionary."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.attestation import verifiers
from app.attestation.claim_dictionary import undescribed
from app.attestation.evidence import Claims


def verifiers_of(module: str) -> tuple[str, ...]:
    """The verifiers that a test module is about: the longest name that begins the module's."""
    name = module.rpartition(".")[2].removeprefix("test_").replace("_", "-")
    fitting = [each for each in verifiers._built_in() if f"{name}-".startswith(f"{each}-")]
    longest = max(fitting, key=len, default=None)
    # Quotes of both are tried where the format is the same.
    return ("tdx", "sgx") if longest == "tdx" else (longest,) if longest else ()


@pytest.fixture(autouse=True)
def only_described_claims(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Genuine evidence, simulated evidence and mutations alike: no claim is without its meaning."""
    tees = verifiers_of(request.module.__name__)
    seen: list[Claims] = []
    make = Claims.__init__

    def make_and_note(self: Claims, *args: object, **kwargs: object) -> None:
        make(self, *args, **kwargs)  # type: ignore[arg-type]  # as they came
        seen.append(self)

    monkeypatch.setattr(Claims, "__init__", make_and_note)
    yield
    for claims in seen if tees else ():
        assert [] in [undescribed(tee, claims.values) for tee in tees], claims.tee_class
