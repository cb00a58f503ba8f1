"""A simulated TPM, alone or inside of a simulated SNP or TDX machine as Azure has them.

The layouts are written down here a second time, apart from the code under test, so that the two can
disagree.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.lab.amd_authority import SimulatedAMD
from app.lab.snp import ReportFields, SimulatedSNP, make_chip
from app.lab.tdx import SimulatedTD, SimulatedTDX

SNP, TDX = 2, 4


@cache
def ak(number: int = 0) -> rsa.RSAPrivateKey:
    """An attestation key; the number tells two apart."""
    del number
    return rsa.generate_private_key(65537, 2048)


def registers(init_data: bytes | None = None) -> list[bytes]:
    """24 PCRs; the digest of init data is extended into PCR 8."""
    values = [hashlib.sha256(bytes([number])).digest() for number in range(24)]
    extended = hashlib.sha256(bytes(32) + init_data).digest() if init_data else bytes(32)
    return [*values[:8], extended, *values[9:]]


@dataclass(frozen=True)
class QuotePlan:
    """What a quote is to say; tests change one thing.

    Attributes:
        quoted: what the TPM has in the registers that it quotes.
        selections: algorithm and bitmap; without any, PCR 0 and on of SHA-256.
    """

    extra_data: bytes
    quoted: Sequence[bytes] = field(default_factory=registers)
    selections: Sequence[tuple[int, bytes]] | None = None
    magic: bytes = b"\xffTCG"
    kind: bytes = b"\x80\x18"
    tail: bytes = b""

    def message(self) -> bytes:
        """The TPMS_ATTEST."""
        bits = ((1 << len(self.quoted)) - 1).to_bytes(3, "little")
        chosen = [(0x0B, bits)] if self.selections is None else self.selections
        selections = b"".join(
            algorithm.to_bytes(2, "big") + bytes([len(bitmap)]) + bitmap
            for algorithm, bitmap in chosen
        )
        digest = hashlib.sha256(b"".join(self.quoted)).digest()
        name = b"\x00\x0b" + hashlib.sha256(b"name").digest()
        clock = bytes(7) + b"\x07" + bytes(3) + b"\x02" + bytes(3) + b"\x01" + b"\x01"
        return (
            self.magic
            + self.kind
            + _sized(name)
            + _sized(self.extra_data)
            + clock
            + bytes(8)
            + len(chosen).to_bytes(4, "big")
            + selections
            + _sized(digest)
            + self.tail
        )


def sign(message: bytes, key: rsa.RSAPrivateKey | None = None) -> bytes:
    """RSASSA with SHA-256."""
    return (key or ak()).sign(message, padding.PKCS1v15(), SHA256())


def tpmt_signature(signature: bytes, scheme: int = 0x14, digest: int = 0x0B) -> bytes:
    """The signature as a TPM returns it."""
    return scheme.to_bytes(2, "big") + digest.to_bytes(2, "big") + _sized(signature)


def spki(key: rsa.RSAPrivateKey | None = None) -> bytes:
    """The public key, DER."""
    public = (key or ak()).public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def variable_data(
    user_data: bytes | None = None, key: rsa.RSAPrivateKey | None = None, **changes: Any
) -> bytes:
    """The JSON document of an HCL report; changes replace members of the key's JWK."""
    numbers = (key or ak()).public_key().public_numbers()
    jwk = {"kid": "HCLAkPub", "key_ops": ["sign"], "kty": "RSA", "e": "AQAB", "n": _number(numbers)}
    document: dict[str, Any] = {"keys": [jwk | changes], "vm-configuration": {"secure-boot": True}}
    if user_data is not None:
        document["user-data"] = user_data.hex().upper()
    return json.dumps(document, separators=(",", ":")).encode()


def hcl_report(
    hardware: bytes, variable: bytes, kind: int = SNP, *, hash_type: int = 1, size: int = 2600
) -> bytes:
    """An HCL report in an area of fixed size."""
    length = 20 + len(variable)
    header = b"HCLA" + _le(2) + _le(0x4C0 + length) + _le(2) + bytes(16)
    data = _le(length) + _le(1) + _le(kind) + _le(hash_type) + _le(len(variable)) + variable
    return (header + hardware.ljust(1184, b"\0") + data).ljust(size, b"\0")


def bound_to(variable: bytes) -> bytes:
    """The report data of the hardware: a digest, then zeros."""
    return hashlib.sha256(variable).digest().ljust(64, b"\0")


def quote_member(plan: QuotePlan, version: int, listed: Sequence[bytes] | None = None) -> Any:
    """The TPM quote in JSON; registers can be listed that are not those that were quoted."""
    message = plan.message()
    parts = {"message": message, "signature": sign(message)}
    pcrs = plan.quoted if listed is None else listed
    if version == 0:
        return {name: [*part] for name, part in parts.items()} | {"pcrs": [[*pcr] for pcr in pcrs]}
    return {name: part.hex() for name, part in parts.items()} | {
        "pcrs": [pcr.hex() for pcr in pcrs]
    }


def member(data: bytes, version: int) -> Any:
    """Any other byte string in JSON."""
    return [*data] if version == 0 else base64.urlsafe_b64encode(data).decode()


@dataclass(frozen=True)
class AzureSNP:
    """A virtual machine on SNP whose VMPL 0 holds a virtual TPM."""

    amd: SimulatedAMD = field(default_factory=lambda: SimulatedAMD("Milan"))

    @property
    def chip(self) -> SimulatedSNP:
        """The processor."""
        return make_chip(self.amd)

    def evidence(
        self,
        plan: QuotePlan,
        version: int = 2,
        variable: bytes | None = None,
        **fields: Any,
    ) -> dict[str, Any]:
        """Evidence as a guest sends it; without variable data, one that fits the quote."""
        chip = self.chip
        variable = variable or variable_data(plan.extra_data.ljust(64, b"\0"))
        report = chip.report(ReportFields(**{"report_data": bound_to(variable)} | fields))
        quote, hcl = quote_member(plan, version), member(hcl_report(report, variable), version)
        if version == 0:
            text = base64.encodebytes(chip.certificate).decode()
            pem = f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"
            return {"quote": quote, "report": hcl, "vcek": pem}
        vcek = member(chip.certificate, version)
        return {"version": version, "tpm_quote": quote, "hcl_report": hcl, "vcek": vcek}


def azure_tdx(
    machine: SimulatedTDX,
    plan: QuotePlan,
    version: int = 2,
    td: SimulatedTD | None = None,
    variable: bytes | None = None,
) -> dict[str, Any]:
    """Evidence of a virtual machine on TDX."""
    variable = variable or variable_data(plan.extra_data.ljust(64, b"\0"))
    quote = machine.quote(bound_to(variable), td)
    return ({"version": version} if version else {}) | {
        "tpm_quote": quote_member(plan, version),
        "hcl_report": member(hcl_report(bytes(1024), variable, TDX), version),
        "td_quote": member(quote, version),
    }


def tpm_evidence(plan: QuotePlan, listed: Sequence[bytes] | None = None) -> dict[str, Any]:
    """Evidence of a TPM alone."""
    message = plan.message()
    pcrs = plan.quoted if listed is None else listed
    return {
        "ak_public": base64.b64encode(spki()).decode(),
        "tpm_quote": {
            "message": base64.b64encode(message).decode(),
            "signature": base64.b64encode(tpmt_signature(sign(message))).decode(),
            "pcrs": [pcr.hex() for pcr in pcrs],
        },
    }


def _number(numbers: rsa.RSAPublicNumbers) -> str:
    return base64.urlsafe_b64encode(numbers.n.to_bytes(256, "big")).rstrip(b"=").decode()


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def _le(number: int) -> bytes:
    return number.to_bytes(4, "little")
