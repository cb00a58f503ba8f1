"""Verifiers that the settings enable, with the roots and options that they name."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import (
    Encoding,
)
from cryptography.x509 import load_pem_x509_certificates

from app.attestation.evidence import RootedVerifier, Verifier
from app.attestation.verifiers import load_verifiers
from app.named.faults import Faults, read_bytes, read_text
from app.settings import (
    AttestationSettings,
    Settings,
)
from app.trust.errors import ConfigError

AMD_TEES = frozenset({"snp", "az-snp-vtpm"})
INTEL_TEES = frozenset({"tdx", "sgx", "az-tdx-vtpm"})
_LAB = "attestation.insecure_trust_lab"


def open_verifiers(settings: Settings) -> dict[str, Verifier]:
    """The enabled verifiers by wire name, none without the role.

    Raises:
        ConfigError: listing every verifier, root and option that cannot be.
    """
    if "as" not in settings.roles:
        return {}
    attestation = settings.attestation
    loaded = load_verifiers(attestation.verifiers, allow_insecure=attestation.insecure_allow_sample)
    faults = Faults()
    for tee, path in attestation.insecure_extra_roots.items():
        loaded[tee] = faults.of(partial(_with_roots, loaded, tee, path))
    faults.of(partial(_trust_lab, loaded, attestation))
    for tee, options in attestation.verifier_options.items():
        faults.of(partial(_check_options, loaded, tee, options))
    faults.raise_any()
    return loaded


def _trust_lab(loaded: dict[str, Verifier], settings: AttestationSettings) -> None:
    """Have the enabled verifiers of AMD's and Intel's TEEs accept the roots of a lab."""
    for tee in set(loaded) & (AMD_TEES | INTEL_TEES):
        pem = lab_roots(settings, tee)
        verifier = loaded[tee]
        if pem and isinstance(verifier, RootedVerifier):
            loaded[tee] = verifier.with_extra_roots(pem)


def lab_roots(settings: AttestationSettings, tee: str) -> bytes:
    """The roots of the trusted lab that are for a TEE, PEM; none when no lab is trusted.

    Raises:
        ConfigError: the file cannot be read, or holds no such root.
    """
    if settings.insecure_trust_lab is None:
        return b""
    text = read_text(settings.insecure_trust_lab, _LAB)
    try:
        roots = load_pem_x509_certificates(text.encode())
    except ValueError as error:
        raise ConfigError([f"{_LAB}: {settings.insecure_trust_lab} holds no roots"]) from error
    # AMD's roots say for which generation of processors they are; Intel has one.
    wanted = [
        each for each in roots if ("CN=ARK-" in each.subject.rfc4514_string()) == (tee in AMD_TEES)
    ]
    if not wanted:
        raise ConfigError([f"{_LAB}: {settings.insecure_trust_lab} holds no root for {tee}"])
    return b"".join(each.public_bytes(Encoding.PEM) for each in wanted)


def _with_roots(loaded: dict[str, Verifier], tee: str, path: Path) -> Verifier:
    extend = getattr(loaded.get(tee), "with_extra_roots", None)
    if extend is None:
        raise ConfigError(
            [f"attestation.insecure_extra_roots.{tee}: no enabled verifier of this name has roots"]
        )
    # PEM, or Hygon's own binary form.
    extended: Verifier = extend(read_bytes(path, f"attestation.insecure_extra_roots.{tee}"))
    return extended


def _check_options(loaded: dict[str, Verifier], tee: str, options: dict[str, Any]) -> None:
    check_options = getattr(loaded.get(tee), "check_options", None)
    if check_options is None:
        raise ConfigError(
            [f"attestation.verifier_options.{tee}: no enabled verifier of this name has options"]
        )
    check_options(options)
