"""Intel SGX under Gramine: a quote through its pseudo-files (guest.md, section 3.5).

Source: Gramine documentation, Attestation and Secret Provisioning, the interface
``/dev/attestation``.
"""

from __future__ import annotations

from guest.attester import Attester, Devices, Place, pad_report_data
from guest.errors import DeviceError
from guest.wire.encoding import b64_encode
from guest.wire.json_types import JSONValue


class SGXAttester:
    """Asks Gramine for a quote."""

    tee = "sgx"
    rank = 20
    insecure = False
    place = Place.PRIMARY

    def is_present(self, devices: Devices) -> bool:
        """Gramine attests with DCAP here."""
        try:
            return (devices.paths.gramine / "attestation_type").read_bytes() == b"dcap"
        except OSError:
            return False

    def collect(self, report_data: bytes, devices: Devices) -> JSONValue:
        """``{"quote"}``: base64 of the quote.

        Raises:
            DeviceError: Gramine refused, or gave nothing.
        """
        folder = devices.paths.gramine
        try:
            (folder / "user_report_data").write_bytes(pad_report_data(report_data))
            quote = (folder / "quote").read_bytes()
        except OSError as error:
            raise DeviceError("Gramine made no quote") from error
        if not quote:
            raise DeviceError("Gramine made an empty quote")
        return {"quote": b64_encode(quote)}


ATTESTER: Attester = SGXAttester()
