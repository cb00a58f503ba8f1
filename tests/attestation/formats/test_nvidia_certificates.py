"""Certificates of NVIDIA's devices: what is read, what is refused, what is remembered."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography import x509
from fakes import NOON
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated.nvidia import Plan, SimulatedNVIDIA, issue

from app.attestation.formats.nvidia_certificates import (
    CertificateFormatError,
    DeviceChains,
    parse_certificate,
    pem_certificates,
)
from app.trust.errors import ChainError, UntrustedRootError

SITE = SimulatedNVIDIA()
CHAIN = [each.der for each in SITE.chain()]
ROOTS = frozenset({parse_certificate(CHAIN[-1]).sha256})


def test_a_chain_gives_its_leaf_cold_and_warm() -> None:
    """What is remembered is the same."""
    chains = DeviceChains(ROOTS)
    assert chains.verify(CHAIN, NOON) == chains.verify(CHAIN, NOON)
    assert chains.verify(CHAIN, NOON).common_name == "Device FMC"


def test_a_refused_chain_is_not_remembered() -> None:
    """Nor does it make its end believed."""
    chains, stranger = DeviceChains(ROOTS), SimulatedNVIDIA()
    for _ in range(2):
        with pytest.raises(UntrustedRootError):
            chains.verify([each.der for each in stranger.chain()], NOON)
        with pytest.raises(ChainError):
            chains.verify([stranger.device.der, *CHAIN[1:]], NOON)
    assert chains.verify(CHAIN, NOON)


@pytest.mark.parametrize("length", [0, 1])
def test_a_chain_has_two_certificates(length: int) -> None:
    """A root by itself vouches for nothing."""
    with pytest.raises(ChainError):
        DeviceChains(ROOTS).verify(CHAIN[3 - length :], NOON)


def test_a_certificate_that_is_cut_or_longer_is_refused() -> None:
    """At every length."""
    for length in range(len(CHAIN[0])):
        with pytest.raises(CertificateFormatError):
            parse_certificate(CHAIN[0][:length])
    for longer in (CHAIN[0] + b"\0", CHAIN[0] * 40):
        with pytest.raises(CertificateFormatError):
            parse_certificate(longer)


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"\n\0",
        SITE.root.pem * 9,
        SITE.root.pem + b"?",
        b"?" + SITE.root.pem,
        SITE.root.pem.replace(b"M", b"=", 1),
        b" " * 65537,
    ],
)
def test_pem_is_certificates_and_nothing_else(pem: bytes) -> None:
    """At most eight; NULs behind them are known of drivers."""
    assert pem_certificates(SITE.root.pem + b"\n\0") == [SITE.root.der]
    with pytest.raises(CertificateFormatError):
        pem_certificates(pem)


def test_an_unknown_critical_extension_is_refused() -> None:
    """It says what we would not obey (RFC 5280, section 4.2)."""
    plan = Plan("x", extensions={x509.ObjectIdentifier("2.5.29.30"): b"0\0"})
    assert parse_certificate(issue(plan).der).extensions["2.5.29.30"] == b"0\0"
    with pytest.raises(CertificateFormatError):
        parse_certificate(issue(replace(plan, critical=True)).der)
    dice = {x509.ObjectIdentifier("2.23.133.5.4.1"): b"0\0"}
    assert parse_certificate(issue(replace(plan, critical=True, extensions=dice)).der)


@settings(max_examples=200)
@given(st.binary(max_size=100))
def test_no_bytes_break_the_readers(data: bytes) -> None:
    """Neither as DER nor as PEM."""
    for parse in (parse_certificate, pem_certificates):
        with pytest.raises(CertificateFormatError):
            parse(data)
