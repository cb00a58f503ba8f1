"""A TPM 2.0 alone: a quote by an attestation key that the operator has enrolled.

Sources: Trusted Computing Group, "TPM 2.0 Library", part 2 (structures) and part 3 (TPM2_Quote).
The steps of ``verify`` stand in the order of docs/reference/verifiers/tpm.md.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from app.attestation.evidence import Binding, Claims, Context, UnverifiedEvidence, Verifier
from app.attestation.formats.ak_certificates import (
    MAX_CERTIFICATE_BYTES,
    MAX_CERTIFICATES,
    load_roots,
    verify_attestation_key,
)
from app.attestation.formats.dcap_evidence import decode_member, evidence_members
from app.attestation.formats.tpm_evidence import hex_bytes, read_pcrs
from app.attestation.formats.tpm_quote import (
    INIT_DATA_PCR,
    MAX_MESSAGE_BYTES,
    MAX_SIGNATURE_BYTES,
    TPMQuote,
    attestation_key,
    check_init_data,
    check_quote_signature,
    check_registers,
    parse_rsassa_signature,
    register_claims,
)
from app.trust.errors import (
    BindingMismatchError,
    CollateralUnavailableError,
    ConfigError,
    MalformedEvidenceError,
    UntrustedAttestationKeyError,
)
from app.trust.json_types import JSONValue

_OPTIONS = "attestation.verifier_options.tpm"
_MAX_KEY_BYTES = 1024
_SIGNATURE_HEADER_BYTES = 6
_REPORT_DATA_BYTES = 32
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class TPMOptions:
    """The settings under ``attestation.verifier_options.tpm``.

    Attributes:
        trusted_aks: SHA-256 of the enrolled keys' SubjectPublicKeyInfo (DER), lower-case hex.
        ak_roots: PEM file of roots whose certificates vouch for keys that are not enrolled.
        insecure_any_ak: whether every other key is accepted, too, and a claim says so.
    """

    trusted_aks: frozenset[str] = frozenset()
    ak_roots: Path | None = None
    insecure_any_ak: bool = False

    @classmethod
    def parse(cls, options: Mapping[str, JSONValue]) -> TPMOptions:
        """The options.

        Raises:
            ConfigError: an unknown option or value; all faults are listed.
        """
        values = dict(options)
        keys, any_key = values.pop("trusted_aks", []), values.pop("insecure_any_ak", False)
        roots = values.pop("ak_roots", None)
        faults = [f"{_OPTIONS}.{name}: no such option" for name in values]
        fingerprints = _fingerprints(keys)
        if fingerprints is None:
            faults.append(f"{_OPTIONS}.trusted_aks: a list of SHA-256 digests in lower-case hex")
        if roots is not None and (not isinstance(roots, str) or not roots):
            faults.append(f"{_OPTIONS}.ak_roots: the path of a PEM file")
        if not isinstance(any_key, bool):
            faults.append(f"{_OPTIONS}.insecure_any_ak: true or false")
        if faults:
            raise ConfigError(faults)
        path = Path(roots) if isinstance(roots, str) else None
        return cls(fingerprints or frozenset(), path, any_key is True)

    def is_trusted(self, encoded_key: bytes) -> bool:
        """Whether a key, as SubjectPublicKeyInfo in DER, is enrolled."""
        found = hashlib.sha256(encoded_key).hexdigest()
        return any(hmac.compare_digest(found, key) for key in self.trusted_aks)


@dataclass(frozen=True, slots=True)
class TPMEvidence:
    """Evidence whose bytes are well formed.

    Attributes:
        ak_public: the key as it was sent, base64.
        encoded_key: the same, SubjectPublicKeyInfo in DER.
        quote: by that key, as it says.
        signature: on the quote, bare.
        pcrs: the registers as listed, 9 to 24 of 32 bytes.
        certificates: of the key, DER, leaf first; empty when none came along.
    """

    ak_public: str
    encoded_key: bytes
    quote: TPMQuote
    signature: bytes
    pcrs: tuple[bytes, ...]
    certificates: tuple[bytes, ...] = ()

    @classmethod
    def parse(cls, unverified_body: JSONValue) -> TPMEvidence:
        """Read the evidence.

        Raises:
            MalformedEvidenceError: a member is missing or of a wrong type or length, or bytes do
                not parse.
        """
        members = evidence_members(unverified_body)
        encoded_key = decode_member(members, "ak_public", _MAX_KEY_BYTES)
        quote = members.get("tpm_quote")
        if not isinstance(quote, dict):
            raise MalformedEvidenceError("tpm_quote is not a JSON object")
        limit = MAX_SIGNATURE_BYTES + _SIGNATURE_HEADER_BYTES
        pcrs = read_pcrs(quote.get("pcrs"), hex_bytes)
        if len(pcrs) <= INIT_DATA_PCR:
            raise MalformedEvidenceError("the TPM quote has to cover PCR 0 to 8 at least")
        return cls(
            ak_public=str(members["ak_public"]),
            encoded_key=encoded_key,
            quote=TPMQuote.parse(decode_member(quote, "message", MAX_MESSAGE_BYTES)),
            signature=parse_rsassa_signature(decode_member(quote, "signature", limit)),
            pcrs=pcrs,
            certificates=_certificates(members.get("ak_certificates")),
        )


class TPMVerifier:
    """Verifies quotes of TPMs."""

    tee = "tpm"
    insecure = False

    def check_options(self, options: Mapping[str, JSONValue]) -> None:
        """Refuse options that ``verify`` would not understand.

        Raises:
            ConfigError: it lists every fault.
        """
        chosen = TPMOptions.parse(options)
        if chosen.ak_roots is None:
            return
        try:
            load_roots(chosen.ak_roots)
        except (OSError, ValueError) as error:
            message = f"{_OPTIONS}.ak_roots: {chosen.ak_roots} holds no certificate authorities"
            raise ConfigError([message]) from error

    def verify(
        self, evidence: UnverifiedEvidence, binding: Binding, context: Context
    ) -> list[Claims]:
        """Carry out every check, in the order of the reference page.

        Raises:
            MalformedEvidenceError: the evidence does not parse.
            UnverifiedError: a check failed; the leaf says which.
        """
        options = TPMOptions.parse(context.options)
        found = TPMEvidence.parse(evidence.body)
        trust = _trust_in(found, options, context.now)
        check_quote_signature(found.quote, found.signature, _load_key(found.encoded_key))
        _check_report_data(found.quote, binding)
        check_registers(found.quote, found.pcrs)
        check_init_data(found.pcrs, binding.init_data)
        return [Claims("cpu", _claims(found) | trust)]


def _trust_in(found: TPMEvidence, options: TPMOptions, now: datetime) -> dict[str, JSONValue]:
    """Who vouches for the key: the operator, or a pinned root; what claims say about it.

    Raises:
        UntrustedAttestationKeyError: nobody does.
        UnverifiedError: the certificates of the key do not lead to a pinned root.
        CollateralUnavailableError: the file of roots cannot be read.
    """
    if options.is_trusted(found.encoded_key):
        return {}
    if options.ak_roots is not None and found.certificates:
        try:
            roots = load_roots(options.ak_roots)
        except (OSError, ValueError) as error:
            raise CollateralUnavailableError("the roots of attestation keys are missing") from error
        root = verify_attestation_key(found.encoded_key, found.certificates, roots, now)
        return {"ak_root": root.fingerprint(SHA256()).hex()}
    if options.insecure_any_ak:
        return {"ak_trusted": False}
    raise UntrustedAttestationKeyError("the attestation key is not enrolled, nor certified")


def _certificates(value: JSONValue) -> tuple[bytes, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MAX_CERTIFICATES:
        raise MalformedEvidenceError(f"ak_certificates is not a list of {MAX_CERTIFICATES}")
    return tuple(
        decode_member({"certificate": each}, "certificate", MAX_CERTIFICATE_BYTES) for each in value
    )


def _claims(found: TPMEvidence) -> dict[str, JSONValue]:
    return {
        "ak_public": found.ak_public,
        "report_data": found.quote.extra_data.hex(),
        "init_data": found.pcrs[INIT_DATA_PCR].hex(),
        **register_claims(found.pcrs),
    }


def _load_key(encoded: bytes) -> rsa.RSAPublicKey:
    try:
        key = load_der_public_key(encoded)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise MalformedEvidenceError("ak_public is not a public key") from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise MalformedEvidenceError("ak_public is not an RSA key")
    numbers = key.public_numbers()
    return attestation_key(numbers.n, numbers.e)


def _check_report_data(quote: TPMQuote, binding: Binding) -> None:
    expected = binding.report_data
    if expected is None:
        return
    # Guests put the first 32 bytes of a longer digest into the quote, as Trustee expects: 128 bits
    # against collisions, as with SHA-256. A shorter one is followed by zeros.
    fitting = expected[:_REPORT_DATA_BYTES].ljust(_REPORT_DATA_BYTES, b"\0")
    if not hmac.compare_digest(quote.extra_data, fitting):
        raise BindingMismatchError("the TPM quote carries other report data")


def _fingerprints(value: JSONValue) -> frozenset[str] | None:
    """The digests in a list; ``None`` when it is no such list."""
    if not isinstance(value, list):
        return None
    texts = [each for each in value if isinstance(each, str) and _FINGERPRINT.fullmatch(each)]
    return frozenset(texts) if len(texts) == len(value) else None


VERIFIER: Verifier = TPMVerifier()
