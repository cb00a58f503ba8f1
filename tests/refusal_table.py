"""Refusals before any policy has its say: each with its reason code, and what sets it right.

Evidence that fails a check is recorded without claims, and a token that does not verify is not
recorded at all, so nothing can be tried out for these: the reason code is the explanation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from fault_site import FaultSite, Machine, neglected, sample, snp, tdx, tpm
from raw_guest import new_key

from app.attestation.policies import default_policy

_PAST = int((datetime.now(UTC) - timedelta(hours=1)).timestamp())
_INIT_DATA = 'version = "0.1.0"\nalgorithm = "sha256"\n[data]\n'


@dataclass(frozen=True)
class Refusal:
    """One request that is refused.

    Attributes:
        code: the reason that it has to be refused for.
        ask: makes the request.
        mend: makes it as it should be; the answer has to be 200.
        is_recorded: whether there is a decision about it.
    """

    code: str
    ask: Callable[[FaultSite], Any]
    mend: Callable[[FaultSite], Any]
    is_recorded: bool = True


def _attested(site: FaultSite) -> Any:
    return site.fetch(sample())


def _passport_twice(site: FaultSite) -> Any:
    assert site.passport(sample()).status_code == 200
    return site.client.post("/attestation", json=site.last_body)


def _other_key(site: FaultSite) -> Any:
    site.guest()
    nonce = site.client.post("/kbs/v0/auth", json=_begun("sample")).json["nonce"]
    body = site.attestation(sample(), nonce)
    site.key = new_key()
    body["runtime-data"] = site.attestation(sample(), nonce)["runtime-data"]
    return site.client.post("/kbs/v0/attest", json=body)


def _begun(tee: str) -> dict[str, Any]:
    return {"version": "0.4.0", "tee": tee, "extra-params": {}}


def _with_init_data(site: FaultSite) -> Any:
    site.guest()
    nonce = site.client.post("/kbs/v0/auth", json=_begun("snp")).json["nonce"]
    body = site.attestation(snp(), nonce)
    body["init-data"] = {"format": "toml", "body": _INIT_DATA}
    return site.client.post("/kbs/v0/attest", json=body)


def _unknown_policy(site: FaultSite) -> Any:
    return site.passport(sample(), "nobody-set-this")


def _known_policy(site: FaultSite) -> Any:
    site.set_policy(default_policy("default_cpu"), "nobody-set-this_cpu")
    return site.passport(sample(), "nobody-set-this")


def _token(**changes: Any) -> Callable[[FaultSite], Any]:
    return lambda site: site.with_token(site.elsewhere(**changes))


def _tampered(site: FaultSite) -> Any:
    token = site.elsewhere()
    head, payload, signature = token.split(".")
    return site.with_token(f"{head}.{payload}.{'A' * 10}{signature[10:]}")


def _malformed(site: FaultSite) -> Any:
    return site.fetch(sample(svn=7))


def _anonymous(site: FaultSite) -> Any:
    site.guest()
    return site.client.get("/kbs/v0/resource/default/demo/secret")


def _with_broken_signature() -> Machine:
    honest = tpm()

    def broken(report_data: bytes) -> Any:
        found = honest.evidence(report_data)
        other = honest.evidence(bytes(48))
        found["tpm_quote"]["signature"] = other["tpm_quote"]["signature"]
        return found

    return replace(honest, evidence=broken)


REFUSALS = [
    Refusal("nonce-used", _passport_twice, lambda site: site.passport(sample())),
    Refusal("binding-mismatch", _other_key, _attested),
    Refusal("init-data-mismatch", _with_init_data, lambda site: site.attest(snp())),
    Refusal(
        "privilege-level", lambda site: site.fetch(snp(vmpl=1)), lambda site: site.attest(snp())
    ),
    Refusal("malformed-evidence", _malformed, _attested),
    Refusal(
        "collateral-stale",
        lambda site: site.fetch(tdx(neglected())),
        lambda site: site.attest(tdx()),
    ),
    Refusal("policy-not-found", _unknown_policy, _known_policy),
    Refusal(
        "signature-invalid",
        lambda site: site.fetch(_with_broken_signature()),
        lambda site: site.attest(tpm()),
    ),
    Refusal("token-missing", _anonymous, _attested, is_recorded=False),
    Refusal("token-expired", _token(exp=_PAST), _token(), is_recorded=False),
    Refusal("token-not-yet-valid", _token(nbf=_PAST + 7200 + 3600), _token(), is_recorded=False),
    Refusal(
        "token-issuer-untrusted", _token(iss="https://nobody.example"), _token(), is_recorded=False
    ),
    Refusal("token-audience-mismatch", _token(aud="someone-else"), _token(), is_recorded=False),
    Refusal("token-signature-invalid", _tampered, _token(), is_recorded=False),
    Refusal(
        "tee-unsupported",
        lambda site: site.client.post("/kbs/v0/auth", json=_begun("sampledevice")),
        _attested,
        is_recorded=False,
    ),
    Refusal(
        "plugin-not-found",
        lambda site: site.client.get("/kbs/v0/pkcs12/a/b/c"),
        _attested,
        is_recorded=False,
    ),
]
