"""Init data taken apart: its files, its digest in the form of each TEE, the annotation of kata.

The digest is over the exact bytes of the document, so a document is shown and carried as it is.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import zlib
from dataclasses import dataclass, field

from app.trust.errors import MalformedInitDataError
from app.trust.sentences import Text
from guest.wire.digests import digest
from guest.wire.encoding import b64_decode
from guest.wire.errors import WireError
from guest.wire.init_data import InitData, parse_init_data
from guest.wire.strict_toml import MAX_BYTES, parse_toml

# Kata Containers hands the document to the guest from this annotation of a pod: base64 of gzip.
KATA_ANNOTATION = "io.katacontainers.config.hypervisor.cc_init_data"
# The only version that kata's agent reads.
KATA_VERSION = "0.1.0"

_GZIP = b"\x1f\x8b"
_ALGORITHMS = ("sha256", "sha384", "sha512")
_CONFIGURATIONS = ("aa.toml", "cdh.toml")
# Wire name of the TEE, field of its evidence, bytes of the field (wire.md 2.8).
_FIELDS = (
    ("snp", "HOST_DATA", 32),
    ("tdx", "MRCONFIGID", 48),
    ("sgx", "CONFIGID", 64),
)
_PCR_BYTES = 32
_CCA_BYTES = 64
_AS_IS = Text("as it is")


@dataclass(frozen=True, slots=True)
class LaunchField:
    """What a host has to put where, so that the hardware binds the document.

    Attributes:
        tees: wire names.
        field: of the evidence or of the launch.
        value: hex; empty where this digest does not fit.
        note: what happened to the digest on its way.
    """

    tees: str
    field: str
    value: str
    note: Text


@dataclass(frozen=True, slots=True)
class InitDataReport:
    """A document and everything that is made of it.

    Attributes:
        document: parsed.
        digests: of the text, hex, by algorithm.
        fields: one for each place that hardware has for it.
        annotation: value of ``KATA_ANNOTATION``.
        remarks: sentences about what may surprise.
    """

    document: InitData = field(repr=False)
    digests: dict[str, str]
    fields: tuple[LaunchField, ...]
    annotation: str
    remarks: tuple[Text, ...]


def inspect_init_data(text: str) -> InitDataReport:
    """Take a document apart.

    Args:
        text: the TOML, or kata's annotation of it.

    Raises:
        MalformedInitDataError: it is no init data, or too long.
    """
    text = _unpacked(text)
    try:
        document = parse_init_data(text)
    except WireError as error:
        raise MalformedInitDataError(str(error)) from error
    encoded = text.encode("utf-8")
    names = dict.fromkeys((*_ALGORITHMS, document.algorithm))
    return InitDataReport(
        document=document,
        digests={name: digest(encoded, name).hex() for name in names},
        fields=tuple(launch_fields(document.digest)),
        annotation=kata_annotation(text),
        remarks=tuple(_remarks(document)),
    )


def kata_annotation(text: str) -> str:
    """Base64 of gzip; the same text gives the same annotation."""
    return base64.b64encode(gzip.compress(text.encode("utf-8"), mtime=0)).decode("ascii")


def launch_fields(value: bytes) -> list[LaunchField]:
    """A digest in the form of each TEE (wire.md 2.8)."""
    fields = [_fitted(tee, name, size, value) for tee, name, size in _FIELDS]
    exact = len(value) == _CCA_BYTES
    fields.append(
        LaunchField(
            "cca",
            "realm personalization value",
            value.hex() if exact else "",
            _AS_IS if exact else Text("needs a digest of 64 bytes: sha512"),
        )
    )
    fits = len(value) == _PCR_BYTES
    extended = hashlib.sha256(bytes(_PCR_BYTES) + value).hexdigest() if fits else ""
    fields.append(
        LaunchField(
            "az-snp-vtpm, az-tdx-vtpm, tpm",
            "PCR 8, SHA-256 bank",
            extended,
            Text("extended once from zero")
            if fits
            else Text("needs a digest of 32 bytes: sha256 or sm3"),
        )
    )
    return fields


def _fitted(tee: str, name: str, size: int, value: bytes) -> LaunchField:
    fitted = value[:size].ljust(size, b"\0")
    if len(value) == size:
        note = _AS_IS
    elif len(value) < size:
        note = Text("%(count)s zero bytes are appended", {"count": str(size - len(value))})
    else:
        note = Text("cut to its first %(count)s bytes", {"count": str(size)})
    return LaunchField(tee, name, fitted.hex(), note)


def _unpacked(text: str) -> str:
    """The document, out of kata's annotation where it is one."""
    if len(text) > 2 * MAX_BYTES:
        raise MalformedInitDataError(f"init data have at most {MAX_BYTES} bytes")
    try:
        packed = b64_decode("".join(text.split()))
    except WireError:
        return text
    if not packed.startswith(_GZIP):
        return text
    unpack = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpack.decompress(packed, MAX_BYTES + 1)
        if not unpack.eof:
            raise MalformedInitDataError("the annotation is cut, or holds too long a document")
        return unpacked.decode("utf-8")
    except (zlib.error, UnicodeDecodeError) as error:
        raise MalformedInitDataError("the annotation is no gzip of a text") from error


def _remarks(document: InitData) -> list[Text]:
    remarks = []
    if document.version != KATA_VERSION:
        versions = {"known": KATA_VERSION, "found": repr(document.version[:32])}
        remarks.append(Text("Kata reads version %(known)s only, not %(found)s", versions))
    if document.algorithm not in {"sha256", "sm3"}:
        remarks.append(
            Text(
                "%(algorithm)s does not fit HOST_DATA of SEV-SNP, where it is cut to 32 bytes, "
                "and no vTPM; sha256 fits everywhere but Arm CCA",
                {"algorithm": document.algorithm},
            )
        )
    for name in _CONFIGURATIONS:
        if name not in document.data:
            remarks.append(
                Text("There is no %(name)s: the agent uses what its image has", {"name": name})
            )
            continue
        try:
            parse_toml(document.data[name])
        except WireError as error:
            fault = {"name": name, "fault": str(error)}
            remarks.append(Text("%(name)s is not TOML that an agent could read: %(fault)s", fault))
    if "policy.rego" not in document.data:
        remarks.append(Text("There is no policy.rego: kata's agent obeys the host in everything"))
    return remarks
