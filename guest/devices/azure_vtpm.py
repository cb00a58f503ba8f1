"""The virtual TPM of Azure's confidential machines, and the service that has what it lacks.

Source: guest.md, section 3.6; Microsoft's description of the virtual TPM and of the metadata
service. What the service answers is not believed: verifiers check the certificate and the quote.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta

from guest.attester import Devices
from guest.devices.hcl_report import (
    REPORT_DATA_BYTES,
    REPORT_DATA_INDEX,
    REPORT_INDEX,
    HCLReport,
    ReportType,
)
from guest.devices.tpm import TPM, open_tpm
from guest.devices.tpm_quotes import QuotedRegisters, bare_signature, quote_registers
from guest.errors import AttesterError, ConnectionFailedError, DeviceError, ProtocolError
from guest.wire.json_types import JSONObject

# The key that vouches for the virtual TPM's quotes; the HCL report names it ``HCLAkPub``.
AK_HANDLE = 0x81000003
# With report data in the HCL report, and without (evidence.md, section 10).
BOUND_VERSION, OLD_VERSION = 2, 1

# The report is made anew within about three seconds.
REFRESH_ATTEMPTS = 10
REFRESH_PAUSE = timedelta(seconds=1)
_METADATA_SECONDS = 30.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class VirtualTPMEvidence:
    """What both kinds of machines attest with.

    Attributes:
        version: of the evidence.
        hcl: the report that vouches for the virtual TPM's key.
        quoted: by that key.
    """

    version: int
    hcl: HCLReport
    quoted: QuotedRegisters

    def tpm_quote(self) -> JSONObject:
        """The member ``tpm_quote``: hex throughout."""
        return {
            "signature": bare_signature(self.quoted.quote.signature).hex(),
            "message": self.quoted.quote.message.hex(),
            "pcrs": [value.hex() for value in self.quoted.pcrs],
        }


def runs_on(kind: ReportType, devices: Devices) -> bool:
    """Whether a virtual TPM here holds an HCL report of this kind. Never raises."""
    try:
        with open_tpm(devices.paths.tpm, devices.clock) as tpm:
            return HCLReport.parse(tpm.read_nv(REPORT_INDEX)).report_type == kind
    except AttesterError as error:
        _log.debug("no HCL report: %s", error)
        return False


def collect(kind: ReportType, report_data: bytes, devices: Devices) -> VirtualTPMEvidence:
    """Have the report made for some bytes, and quote over them.

    Raises:
        DeviceError: there is no report of this kind, it does not take the bytes over, or the TPM
            failed.
    """
    if len(report_data) > REPORT_DATA_BYTES:
        raise DeviceError(f"report data is longer than {REPORT_DATA_BYTES} bytes")
    with open_tpm(devices.paths.tpm, devices.clock) as tpm:
        hcl = _fresh_report(tpm, report_data, devices)
        quoted = quote_registers(tpm, AK_HANDLE, report_data)
    if hcl.report_type != kind:
        raise DeviceError(f"the HCL report holds no report of {kind.name}")
    return VirtualTPMEvidence(OLD_VERSION if hcl.user_data is None else BOUND_VERSION, hcl, quoted)


def ask_metadata(devices: Devices, path: str, body: JSONObject | None = None) -> JSONObject:
    """What Azure's metadata service answers.

    Args:
        devices: they name its address.
        path: of the request.
        body: of a POST; a GET without one.

    Raises:
        DeviceError: it does not answer, refuses, or does not answer a JSON object.
    """
    # HTTP is loaded on Azure only.
    from guest.kbs.transport import Transport
    from guest.settings import ServiceSettings
    from guest.wire.errors import WireError
    from guest.wire.strict_json import parse_json_object

    service = ServiceSettings(devices.azure_metadata)
    transport = Transport(service, devices.clock, timeout=_METADATA_SECONDS, wait=_METADATA_SECONDS)
    headers = {"Metadata": "true"}
    try:
        if body is None:
            reply = transport.get(path, headers)
        else:
            reply = transport.post(path, body, headers)
        if reply.status != 200:
            raise DeviceError(f"Azure's metadata service answered {reply.status} for {path}")
        return parse_json_object(reply.body)
    except (ConnectionFailedError, ProtocolError, WireError) as error:
        raise DeviceError(f"Azure's metadata service has no answer for {path}: {error}") from error
    finally:
        transport.close()


def _fresh_report(tpm: TPM, report_data: bytes, devices: Devices) -> HCLReport:
    padded = report_data.ljust(REPORT_DATA_BYTES, b"\0")
    tpm.write_nv(REPORT_DATA_INDEX, padded)
    for _ in range(REFRESH_ATTEMPTS):
        hcl = HCLReport.parse(tpm.read_nv(REPORT_INDEX))
        # Hosts that take no user data have made their report when the machine booted. It is read
        # in pieces, so one that was made anew in between would be of two halves.
        if hcl.user_data in {None, padded} and hcl.is_whole:
            return hcl
        devices.clock.wait(REFRESH_PAUSE)
    raise DeviceError("the virtual TPM does not take report data over into its HCL report")
