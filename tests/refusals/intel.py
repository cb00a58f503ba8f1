"""TDX, SGX, and Azure's machines on TDX: one refusal for each check and each of its reasons."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from mutations.intel_cases import quote_parts
from refusals.azure import PLAN, machine_rows
from simulated.dcap_site import (
    REPORT_DATA,
    flipped,
    machine,
    published,
    verify_enclave,
    verify_td,
)

from app.attestation.collateral.ports import CollateralSource
from app.attestation.evidence import Binding, Context, UnverifiedEvidence
from app.attestation.verifiers.az_tdx_vtpm import AzureTDXVerifier
from app.lab.intel import NEXT_UPDATE, NOON, SimulatedIntel
from app.lab.intel_certificates import Identity, sgx_extension
from app.lab.tdx import SimulatedQE, SimulatedTD, SimulatedTDX, event_log
from app.lab.vtpm import QuotePlan, ak, azure_tdx, bound_to, member, variable_data

Attempt = Callable[[], object]
Rows = dict[str, Attempt]

LOG = event_log([(1, 5, b"one")])
OTHER_LOG = event_log([(1, 5, b"two")])
VARIABLE = variable_data(REPORT_DATA.ljust(64, b"\0"))
AZURE = AzureTDXVerifier(machine().intel.roots)


def verify_azure(
    quote: bytes, *, source: CollateralSource | None = None, now: Any = NOON
) -> object:
    """The claims of a virtual machine with this TD quote."""
    evidence = azure_tdx(machine(), QuotePlan(REPORT_DATA)) | {"td_quote": member(quote, 2)}
    context = Context(now, source or machine().publication, {})
    found = UnverifiedEvidence("az-tdx-vtpm", evidence)
    return AZURE.verify(found, Binding(REPORT_DATA), context)


@dataclass(frozen=True)
class Kind:
    """What the checks of a quote differ in.

    Attributes:
        verify: takes a quote, and where wanted a ``source`` and the time.
        quote: a faultless one, of a machine, about a TD, by a quoting enclave.
        names: the TEE and its quoting enclave, as Intel's documents have them.
        section: where the signature section begins.
    """

    verify: Callable[..., object]
    quote: Callable[..., bytes]
    names: tuple[str, str]
    section: int

    @property
    def qe_report(self) -> int:
        """Where the quoting enclave's report begins."""
        return self.section + 128 + (0 if self.names[0] == "sgx" else 6)


def td_quote(of: SimulatedTDX | None = None, qe: SimulatedQE | None = None, **td: Any) -> bytes:
    """A TD's."""
    return (of or machine()).quote(REPORT_DATA, SimulatedTD(**td), qe=qe)


def azure_quote(of: SimulatedTDX | None = None, qe: SimulatedQE | None = None, **td: Any) -> bytes:
    """One that vouches for the virtual machine's TPM."""
    return (of or machine()).quote(bound_to(VARIABLE), SimulatedTD(**td), qe=qe)


def enclave_quote(of: SimulatedTDX | None = None, qe: SimulatedQE | None = None) -> bytes:
    """An enclave's."""
    return (of or machine()).sgx_quote(REPORT_DATA, qe=qe)


TD = Kind(verify_td, td_quote, ("tdx", "TD_QE"), 48 + 584 + 4)
AZURE_TD = Kind(verify_azure, azure_quote, TD.names, TD.section)
ENCLAVE = Kind(verify_enclave, enclave_quote, ("sgx", "QE"), 48 + 384 + 4)


def with_leaf(kind: Kind, leaf: Identity) -> object:
    """A quote whose chain begins with another certificate."""
    parts = {each.name: each for each in quote_parts(kind.quote(), kind.verify)}
    return parts["PCK certificate"].attempt(leaf.certificate.public_bytes(Encoding.DER))


def pck(name: str = "Intel SGX PCK Certificate", extension: bytes | None = b"") -> Identity:
    """A certificate of the simulated Platform CA."""
    intel = machine().intel
    return intel.issue(name, intel.authorities["platform"], extension=extension)


def changed(
    kind: Kind, name: str, body: Callable[[bytes], bytes] | None = None, **headers: str
) -> object:
    """A faultless quote, and a document of Intel's that is another."""
    name = name.format(tee=kind.names[0])
    old = machine().publication.documents[name][0]
    source = machine().publication.replaced(name, body(old) if body else old, **headers)
    return kind.verify(kind.quote(), source=source)


def without(kind: Kind, name: str) -> object:
    """A faultless quote, and a document of Intel's that nobody has."""
    source = published()
    del source.documents[name.format(tee=kind.names[0])]
    return kind.verify(kind.quote(), source=source)


def revoked(kind: Kind) -> object:
    """The platform's certificate is on Intel's list."""
    serial = machine().pck.certificate.serial_number
    return kind.verify(kind.quote(), source=published(revoked=[serial]))


def told(kind: Kind, **how: Any) -> object:
    """Intel's documents say something else of the platform."""
    return kind.verify(kind.quote(), source=published(**how))


def level_revoked() -> dict[str, Any]:
    """Intel no longer stands by the platform's level."""
    levels = machine().intel.tcb_info("tdx", machine().platform)["tcbLevels"]
    return {"tcbLevels": [each | {"tcbStatus": "Revoked"} for each in levels]}


def platform_rows(kind: Kind) -> Rows:
    """Checks 1 and 2, 5, 7, 8 and 12: what all quotes have in common."""
    quote, at = kind.quote(), kind.qe_report
    tcb, other = "intel/{tee}/tcb/50806f000000", SimulatedIntel()
    chain = {"tcb_info_issuer_chain": other.quoted_chain(other.signer)}
    signer = {"tcb_info_issuer_chain": machine().intel.quoted_chain(pck())}
    dot = sgx_extension(machine().platform)
    return {
        "1 malformed-evidence": lambda: kind.verify(quote.replace(b"BEGIN CERT", b"BEGIN CART")),
        "1 root-untrusted": lambda: kind.verify(kind.quote(SimulatedTDX())),
        "1b chain-invalid": lambda: with_leaf(kind, SimulatedTDX().pck),
        "1c chain-invalid": lambda: with_leaf(kind, pck("Somebody", dot)),
        "1c malformed-evidence": lambda: with_leaf(kind, pck(extension=b"\x30\x00")),
        "1d collateral-unavailable": lambda: without(kind, tcb),
        "1e root-untrusted": lambda: changed(kind, tcb, **chain),
        "1e chain-invalid": lambda: changed(kind, tcb, **signer),
        "1f signature-invalid": lambda: changed(
            kind, "intel/rootcacrl", lambda body: flipped(body, len(body) - 1)
        ),
        "1f collateral-mismatch": lambda: changed(
            kind,
            "intel/pckcrl/platform",
            lambda _: machine().publication.documents["intel/pckcrl/processor"][0],
        ),
        "1g certificate-revoked": lambda: revoked(kind),
        "2 signature-invalid": lambda: changed(
            kind, tcb, lambda body: body.replace(b'"pcesvn":5', b'"pcesvn":4', 1)
        ),
        "5 signature-invalid": lambda: kind.verify(flipped(quote, at + 384)),
        "7 signature-invalid": lambda: kind.verify(flipped(quote, kind.section)),
        "8 tcb-unsupported": lambda: told(kind, tcb_info={"tcbLevels": []}),
        "12 collateral-stale": lambda: kind.verify(quote, now=NEXT_UPDATE),
    }


def enclave_rows(kind: Kind) -> Rows:
    """Checks 3, 6 and 9: whose documents these are, and who quotes."""
    name = kind.names[1]
    foreign = "SGX" if kind is not ENCLAVE else "TDX"
    other_enclave = "QE" if kind is not ENCLAVE else "TD_QE"
    return {
        "3 collateral-mismatch": lambda: told(kind, tcb_info={"id": foreign, **_module(kind)}),
        "6 collateral-mismatch": lambda: told(kind, identity={"id": other_enclave}),
        "6 identity-mismatch": lambda: kind.verify(kind.quote(qe=SimulatedQE(name, prod_id=3))),
        "9 tcb-unsupported": lambda: kind.verify(kind.quote(qe=SimulatedQE(name, isv_svn=0))),
        "10 tcb-unsupported": lambda: told(kind, tcb_info=level_revoked()),
    }


def _module(kind: Kind) -> dict[str, Any]:
    """Members that a TCB info of TDX needs, where one of SGX is to pass for it."""
    if kind is not ENCLAVE:
        return {}
    info = machine().intel.tcb_info("tdx", machine().platform)
    return {name: info[name] for name in ("tdxModule", "tcbLevels")}


def module_rows(kind: Kind) -> Rows:
    """Checks 4 and 10: the TDX module, at the launch and now."""
    unknown = bytes((5, 2, 2)).ljust(16, b"\0")
    known = bytes((5, 1, 2)).ljust(16, b"\0")
    return {
        "4 identity-mismatch": lambda: kind.verify(kind.quote(seam_attributes=b"\1" + bytes(7))),
        "10 identity-mismatch": lambda: kind.verify(kind.quote(tcb_svn=known, tcb_svn2=unknown)),
    }


def tdx_rows() -> Rows:
    """All of ``tdx``."""
    bound = machine().evidence(REPORT_DATA, log=LOG)
    verify_bound = partial(verify_td, base64.b64decode(bound["quote"]))
    return {
        "0 malformed-evidence": lambda: verify_td(b"\3" + td_quote()[1:]),
        **platform_rows(TD),
        **enclave_rows(TD),
        **module_rows(TD),
        "13 binding-mismatch": lambda: verify_td(td_quote(), binding=Binding(b"other")),
        "14 init-data-mismatch": lambda: verify_td(td_quote(), binding=Binding(None, b"other")),
        "15 malformed-evidence": lambda: verify_bound(log=LOG[:-20]),
        "15 event-log-mismatch": lambda: verify_bound(log=OTHER_LOG),
    }


def sgx_rows() -> Rows:
    """All of ``sgx``."""
    return {
        "0 malformed-evidence": lambda: verify_enclave(b"\4" + enclave_quote()[1:]),
        **_borrowed(platform_rows(ENCLAVE)),
        **enclave_rows(ENCLAVE),
        "13 binding-mismatch": lambda: verify_enclave(enclave_quote(), binding=Binding(b"other")),
        "14 init-data-mismatch": lambda: verify_enclave(
            enclave_quote(), binding=Binding(None, b"other")
        ),
    }


def az_tdx_rows() -> Rows:
    """All of ``az-tdx-vtpm``."""
    quoted = {
        **platform_rows(AZURE_TD),
        **enclave_rows(AZURE_TD),
        **module_rows(AZURE_TD),
    }
    return {**_borrowed(quoted), **machine_rows(_azure_evidence, _unbound, _verify_machine)}


def _borrowed(rows: Mapping[str, Attempt]) -> Rows:
    return {f"tdx:{label}": attempt for label, attempt in rows.items()}


def _azure_evidence(plan: QuotePlan, variable: bytes | None = None) -> dict[str, Any]:
    return azure_tdx(machine(), plan, variable=variable)


def _unbound() -> dict[str, Any]:
    other = azure_tdx(machine(), PLAN, variable=variable_data(REPORT_DATA, ak(1)))
    return azure_tdx(machine(), PLAN) | {"td_quote": other["td_quote"]}


def _verify_machine(evidence: Any, binding: Binding) -> object:
    context = Context(NOON, machine().publication, {})
    return AZURE.verify(UnverifiedEvidence("az-tdx-vtpm", evidence), binding, context)


def accepted() -> Iterator[tuple[str, Attempt]]:
    """What all of this starts from."""
    yield "tdx", lambda: verify_td(td_quote())
    yield "sgx", lambda: verify_enclave(enclave_quote())
    yield "az-tdx-vtpm", lambda: verify_azure(azure_quote())


ROWS = {"tdx": tdx_rows, "sgx": sgx_rows, "az-tdx-vtpm": az_tdx_rows}
