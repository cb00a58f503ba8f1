"""The sample TEE: evidence that anyone can write, for demonstrations (guest.md, section 3.1)."""

from __future__ import annotations

from guest.attester import Attester, Devices, Place
from guest.wire.encoding import b64_encode
from guest.wire.json_types import JSONValue


class SampleAttester:
    """Repeats its input."""

    tee = "sample"
    rank = None
    insecure = True
    place = Place.PRIMARY

    def is_present(self, devices: Devices) -> bool:  # noqa: ARG002  (the port's signature)
        """Never: it has to be asked for."""
        return False

    def collect(self, report_data: bytes, devices: Devices) -> JSONValue:  # noqa: ARG002  (port)
        """``{"svn","report_data"}``; the report data is not padded."""
        return {"svn": "1", "report_data": b64_encode(report_data)}


ATTESTER: Attester = SampleAttester()
