"""IBM Secure Execution: the ultravisor measures the guest for one verifier (guest.md, 3.9).

The verifier's challenge is a request that only the ultravisor can open. So there is no evidence
without a challenge.
"""

from __future__ import annotations

from guest.attester import Attester, Devices, Place, pad_report_data
from guest.errors import DeviceError, ProtocolError
from guest.wire.encoding import b64_decode, b64_encode
from guest.wire.errors import WireError
from guest.wire.json_types import JSONObject, JSONValue
from guest.wire.strict_json import parse_json_object

_DIGEST = "runtime_data_digest"
# Passed on as they came; the verifier made them for itself.
_ECHOED = ("encr_measurement_key", "encr_request_nonce", "image_hdr_tags")


class SEAttester:
    """Has the ultravisor answer a verifier's request."""

    tee = "se"
    rank = 60
    insecure = False
    place = Place.PRIMARY

    def is_present(self, devices: Devices) -> bool:
        """The firmware says so."""
        try:
            return devices.paths.uv_guest.read_bytes().strip() == b"1"
        except OSError:
            return False

    def collect(self, report_data: bytes, devices: Devices) -> JSONValue:
        """Evidence for a request that is given in the place of report data, as upstream's do.

        Raises:
            DeviceError: it is no request, or the ultravisor refused.
        """
        try:
            members = parse_json_object(report_data)
            digest = b64_decode(_text(members, _DIGEST)) if _DIGEST in members else b""
        except WireError as error:
            raise DeviceError(
                "Secure Execution makes evidence for its verifier's request only"
            ) from error
        return _evidence(members, digest, devices)

    def answer(self, challenge: str, report_data: bytes, devices: Devices) -> JSONValue:
        """Evidence for the verifier's challenge, over some bytes.

        Raises:
            ProtocolError: the challenge is no request.
            AttesterError: the ultravisor refused.
        """
        try:
            members = parse_json_object(challenge)
        except WireError as error:
            raise ProtocolError("the challenge is no request for Secure Execution") from error
        return _evidence(members, report_data, devices)


def _evidence(members: JSONObject, digest: bytes, devices: Devices) -> JSONValue:
    # Only guests on IBM Z have the device.
    from guest.devices.uv import (
        MAX_ADDITIONAL_BYTES,
        MAX_MEASUREMENT_BYTES,
        MAX_REQUEST_BYTES,
        MeasurementRequest,
        measure,
    )

    user_data = pad_report_data(digest)
    asked = MeasurementRequest(
        _bytes(members, "request_blob", MAX_REQUEST_BYTES),
        _size(members, "measurement_size", MAX_MEASUREMENT_BYTES),
        _size(members, "additional_size", MAX_ADDITIONAL_BYTES),
        user_data,
    )
    echoed: JSONObject = {name: _text(members, name) for name in _ECHOED}
    measured = measure(devices.paths.uv, asked, devices.nodes)
    return {
        "measurement": b64_encode(measured.measurement),
        "additional_data": b64_encode(measured.additional_data),
        "user_data": b64_encode(user_data),
        "cuid": b64_encode(measured.uid),
        **echoed,
    }


def _text(members: JSONObject, name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not value:
        raise ProtocolError(f"the request for Secure Execution has no {name}")
    return value


def _bytes(members: JSONObject, name: str, limit: int) -> bytes:
    try:
        data = b64_decode(_text(members, name))
    except WireError as error:
        raise ProtocolError(f"{name} of the request for Secure Execution is not base64") from error
    if not 0 < len(data) <= limit:
        raise ProtocolError(f"{name} of the request for Secure Execution is too long")
    return data


def _size(members: JSONObject, name: str, limit: int) -> int:
    value = members.get(name)
    if type(value) is not int or not 0 <= value <= limit:
        raise ProtocolError(f"{name} of the request for Secure Execution is no size")
    return value


ATTESTER: Attester = SEAttester()
