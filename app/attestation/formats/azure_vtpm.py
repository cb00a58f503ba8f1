"""What both kinds of Azure confidential virtual machines send: a TPM quote, and an HCL report.

Three versions of the evidence exist. Version 0 has no number, and its byte strings are arrays of
integers; in versions 1 and 2 they are hex in the TPM quote, and base64url with padding elsewhere.
Version 2 promises that the guest wrote its report data into the HCL report's user data, too.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app.attestation.evidence import Binding
from app.attestation.formats.hcl_report import (
    MAX_HCL_BYTES,
    HardwareReport,
    HCLReport,
    VariableData,
)
from app.attestation.formats.snp_report_json import byte_array
from app.attestation.formats.tpm_evidence import hex_bytes, read_pcrs
from app.attestation.formats.tpm_quote import (
    INIT_DATA_PCR,
    MAX_MESSAGE_BYTES,
    MAX_SIGNATURE_BYTES,
    TPMQuote,
    check_init_data,
    check_quote_signature,
    check_registers,
    register_claims,
)
from app.trust.errors import BindingMismatchError, MalformedEvidenceError
from app.trust.json_types import JSONObject, JSONValue
from guest.wire.encoding import b64url_decode
from guest.wire.errors import WireError

NEWEST_VERSION: Final = 2


@dataclass(frozen=True, slots=True)
class AzureNames:
    """What version 0 calls the members that later versions call ``tpm_quote``, ``hcl_report``."""

    quote: str = "tpm_quote"
    report: str = "hcl_report"


@dataclass(frozen=True, slots=True)
class AzureEvidence:
    """Evidence whose bytes are well formed.

    Attributes:
        version: 0, 1 or 2.
        quote: of the virtual TPM.
        signature: on the quote, bare.
        pcrs: the registers as listed, 1 to 24 of 32 bytes.
        hcl: the report that the machine booted with.
    """

    version: int
    quote: TPMQuote
    signature: bytes
    pcrs: tuple[bytes, ...]
    hcl: HCLReport

    @classmethod
    def parse(
        cls, members: JSONObject, kind: HardwareReport, old_names: AzureNames
    ) -> AzureEvidence:
        """Read what both kinds of machines send.

        Raises:
            MalformedEvidenceError: an unknown version, a member that is missing or of a wrong type
                or length, or bytes that do not parse.
        """
        version = evidence_version(members)
        names, decode = (AzureNames(), hex_bytes) if version else (old_names, byte_array)
        quote = members.get(names.quote)
        if not isinstance(quote, dict):
            raise MalformedEvidenceError(f"{names.quote} is not a JSON object")
        hcl = azure_bytes(members, names.report, MAX_HCL_BYTES)
        return cls(
            version=version,
            quote=TPMQuote.parse(decode(quote.get("message"), "message", MAX_MESSAGE_BYTES)),
            signature=decode(quote.get("signature"), "signature", MAX_SIGNATURE_BYTES),
            pcrs=read_pcrs(quote.get("pcrs"), decode),
            hcl=HCLReport.parse(hcl, kind),
        )

    def check(self, hardware_report_data: bytes, binding: Binding) -> None:
        """Everything but the hardware report: its key signed this quote, for this caller.

        The caller verifies the hardware report whose report data this is. That comes second because
        it may have to ask vendors, and nobody is asked for evidence that contradicts itself.

        Raises:
            MalformedEvidenceError: the variable data does not parse.
            UntrustedAttestationKeyError: the hardware report is not bound to the TPM's key.
            SignatureError: that key did not sign the quote.
            BindingMismatchError: the quote is for another caller.
            RegisterMismatchError: the quote is not of the registers that are listed.
            InitDataMismatchError: PCR 8 does not hold the init data.
        """
        self.hcl.check_bound(hardware_report_data)
        data = VariableData.parse(self.hcl.unverified_data)
        check_quote_signature(self.quote, self.signature, data.key)
        expected = _check_report_data(self.quote, binding)
        check_registers(self.quote, self.pcrs)
        if self.version == NEWEST_VERSION:
            data.check_user_data(expected)
        check_init_data(self.pcrs, binding.init_data)

    def claims(self) -> JSONObject:
        """``tpm``, ``report_data`` and, when PCR 8 is among the registers, ``init_data``."""
        registers = register_claims(self.pcrs)
        claims: JSONObject = {"tpm": registers, "report_data": self.quote.extra_data.hex()}
        name = f"pcr{INIT_DATA_PCR:02}"
        return claims | ({"init_data": registers[name]} if name in registers else {})


def evidence_version(members: Mapping[str, JSONValue]) -> int:
    """The version of the evidence; 0 when it has none.

    Raises:
        MalformedEvidenceError: a version that is not known.
    """
    if "version" not in members:
        return 0
    version = members["version"]
    # A JSON boolean is an int to Python, and none to us.
    if type(version) is not int or not 1 <= version <= NEWEST_VERSION:
        raise MalformedEvidenceError("the evidence is of an unknown version")
    return version


def azure_bytes(members: JSONObject, name: str, limit: int) -> bytes:
    """The bytes of a member: integers in version 0, else base64url with padding.

    Raises:
        MalformedEvidenceError: missing, another encoding, or more than ``limit`` bytes.
    """
    value = members.get(name)
    if not evidence_version(members):
        return byte_array(value, name, limit)
    # Measured before it is decoded: four characters stand for three bytes.
    if not isinstance(value, str) or len(value) > (limit + 2) // 3 * 4:
        raise MalformedEvidenceError(f"{name} is not base64url of at most {limit} bytes")
    bare = value.rstrip("=")
    if value != bare + "=" * (-len(bare) % 4):
        raise MalformedEvidenceError(f"{name} is not base64url with padding")
    try:
        return b64url_decode(bare)
    except WireError as error:
        raise MalformedEvidenceError(f"{name} is not base64url") from error


def _check_report_data(quote: TPMQuote, binding: Binding) -> bytes:
    """The expected report data, once the quote carries exactly it: nothing is padded or cut."""
    expected = binding.report_data
    if expected is None:
        raise BindingMismatchError("a virtual TPM has to be asked with report data")
    if not hmac.compare_digest(quote.extra_data, expected):
        raise BindingMismatchError("the TPM quote carries other report data")
    return expected
