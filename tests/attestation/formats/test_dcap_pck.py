"""The SGX extension of PCK certificates."""

from __future__ import annotations

from dataclasses import replace

import pytest
from paths import VECTORS
from simulated.dcap_site import machine

from app.attestation.formats.dcap_certificates import (
    INTEL_ROOTS,
    CertificateChain,
    UnreadableError,
    verify_chain,
)
from app.attestation.formats.dcap_pck import PCKAuthority, read_platform
from app.attestation.formats.dcap_quote import parse_td_quote
from app.lab.intel_certificates import PCE_SVN, SGX_COMPONENTS, Platform, sgx_extension
from app.trust.errors import ChainError

INTEL = machine().intel
PLATFORM = Platform()


def chain_with(
    extension: bytes | None, *, authority: str = "platform", name: str = PLATFORM.common_name
) -> CertificateChain:
    """A verified chain whose leaf has this extension."""
    leaf = INTEL.issue(name, INTEL.authorities[authority], extension=extension)
    return verify_chain(INTEL.pck_chain(leaf, authority), 3, INTEL.roots)


GOOD = sgx_extension(PLATFORM)
MALFORMED = {
    "no extension": None,
    "no DER": b"\xff",
    "another value": b"\x02\x01\x00",
    "no members": b"\x30\x00",
    "a rest": GOOD + b"\x00",
    "a PPID of 15 bytes": sgx_extension(replace(PLATFORM, ppid=bytes(15))),
    "an FMSPC of 5 bytes": sgx_extension(replace(PLATFORM, fmspc=bytes(5))),
    "15 components": sgx_extension(replace(PLATFORM, components=(1,) * 14)),
    "a component of 256": sgx_extension(replace(PLATFORM, components=(256,) + (1,) * 15)),
    "a boolean of 2": GOOD.replace(b"\x01\x01\xff", b"\x01\x01\x02"),
    "an enumeration of two bytes": GOOD.replace(b"\x0a\x01\x02", b"\x0a\x00\x02"),
    "no instance id": sgx_extension(replace(PLATFORM, authority="processor")),
}


@pytest.mark.parametrize("extension", MALFORMED.values(), ids=MALFORMED)
def test_refuses_an_extension_that_is_not_of_its_form(extension: bytes | None) -> None:
    """Even a certified platform must say what it is."""
    if extension is not None:
        # The encoder pads nothing, so replacing keeps the lengths that enclose it.
        assert extension != GOOD
    with pytest.raises(UnreadableError):
        read_platform(chain_with(extension))


def test_the_processor_ca_certifies_no_instances() -> None:
    """What only the Platform CA says is not taken from the other one."""
    with pytest.raises(UnreadableError):
        read_platform(chain_with(GOOD, authority="processor"))


def test_other_certificates_are_no_pck_certificates() -> None:
    """Neither another leaf, nor a leaf of another authority."""
    with pytest.raises(ChainError, match="no PCK certificate"):
        read_platform(chain_with(GOOD, name="Intel SGX TCB Signing"))
    other = INTEL.issue("Intel SGX Some CA", INTEL.root, is_authority=True)
    leaf = INTEL.issue(PLATFORM.common_name, other, extension=GOOD)
    chain = verify_chain(leaf.pem + other.pem + INTEL.root.pem, 3, INTEL.roots)
    with pytest.raises(ChainError, match="Platform or Processor CA"):
        read_platform(chain)


@pytest.mark.parametrize(
    ("sgx_type", "name"),
    [(0, "Standard"), (1, "Scalable"), (2, "Scalable with Integrity"), (9, "Unknown (9)")],
)
def test_reads_a_platform(sgx_type: int, name: str) -> None:
    """Every member of the extension."""
    platform = read_platform(chain_with(sgx_extension(replace(PLATFORM, sgx_type=sgx_type))))
    assert platform.authority is PCKAuthority.PLATFORM
    assert platform.tcb.components == SGX_COMPONENTS
    assert platform.tcb.pce_svn == PCE_SVN
    assert (platform.fmspc, platform.pce_id) == (PLATFORM.fmspc, PLATFORM.pce_id)
    assert (platform.ppid, platform.instance_id) == (PLATFORM.ppid, PLATFORM.instance_id)
    assert platform.sgx_type_name == name
    assert platform.configuration is not None
    assert platform.configuration.is_smt_enabled


def test_reads_a_genuine_platform() -> None:
    """A certificate that Intel issued in 2025."""
    quote = parse_td_quote((VECTORS / "tdx" / "tdx_quote_6.dat").read_bytes())
    platform = read_platform(verify_chain(quote.signature.unverified_pck_chain, 3, INTEL_ROOTS))
    assert platform.fmspc.hex() == "00a06d080000"
    assert platform.tcb.components == (2, 2, 7, 7, 4, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0)
    assert platform.tcb.pce_svn == 11
