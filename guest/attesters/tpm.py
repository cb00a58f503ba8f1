"""A TPM 2.0: a quote by the attestation key that it keeps (guest.md, section 3.10).

A TPM says what was measured, not that memory is protected from the host.
"""

from __future__ import annotations

import logging

from guest.attester import Attester, Devices, Place, path_exists
from guest.devices.tpm_registers import TPMRegisters
from guest.wire.encoding import b64_encode
from guest.wire.json_types import JSONValue

# Verifiers compare the first 32 bytes of a longer digest (evidence.md, section 1).
_EXTRA_DATA_BYTES = 32

_log = logging.getLogger(__name__)


class TPMAttester(TPMRegisters):
    """Asks the TPM for a quote."""

    tee = "tpm"
    rank = 70
    insecure = False
    place = Place.PRIMARY | Place.DEVICE

    def is_present(self, devices: Devices) -> bool:
        """There is a TPM; it is the last that is looked for."""
        if not path_exists(devices.paths.tpm):
            return False
        _log.warning("no TEE but a TPM: nothing protects this machine's memory from its host")
        return True

    def collect(self, report_data: bytes, devices: Devices) -> JSONValue:
        """``{"ak_public","tpm_quote"}``: the quote carries 32 bytes of the report data.

        Raises:
            AttesterError: there is no TPM, it has no attestation key, or it failed.
        """
        from guest.devices.tpm import open_tpm
        from guest.devices.tpm_quotes import public_key_info, quote_registers

        extra_data = report_data[:_EXTRA_DATA_BYTES].ljust(_EXTRA_DATA_BYTES, b"\0")
        with open_tpm(devices.paths.tpm, devices.clock) as tpm:
            public = public_key_info(tpm.read_public(devices.ak_handle))
            quoted = quote_registers(tpm, devices.ak_handle, extra_data)
        return {
            "ak_public": b64_encode(public),
            "tpm_quote": {
                "signature": b64_encode(quoted.quote.signature),
                "message": b64_encode(quoted.quote.message),
                "pcrs": [value.hex() for value in quoted.pcrs],
            },
        }


ATTESTER: Attester = TPMAttester()
