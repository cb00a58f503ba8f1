"""Composite evidence: devices first, and the TEE binds what they said."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from guest.aa.attestable import Attestable
from guest.attester import Devices, Place
from guest.detection import load_attester
from guest.errors import DeviceError
from guest.wire.digests import digest
from guest.wire.encoding import b64_decode, b64_encode
from guest.wire.runtime_data import runtime_data, runtime_data_digest

SAMPLE, DEVICE = load_attester("sample"), load_attester("sampledevice")
KEY = {"kty": "EC", "crv": "P-256", "alg": "ECDH-ES+A256KW", "x": "AQ", "y": "Ag"}
NONCE = "bm9uY2U="
# guest.md 4.2: computed outside of this project.
OF_DEVICE = (
    "8b396d072096bda2ab91b96dadc67d92ddfeba4779b19be2d336a501a3618ed5"
    "cc1f900b0d99b8ad760340a6df206a54"
)
WITHOUT_DEVICES = (
    "8a0dedde8eaf03a25760757ffbcd91cacda23aa699d3cd311deb57f51110cfef"
    "59b397dba35234c48747f3e6efc92558"
)


@dataclass
class FailingDevice:
    """A device that makes no evidence."""

    tee: str = "nvidia"
    rank: None = None
    insecure: bool = False
    place: Place = Place.DEVICE

    def is_present(self, devices: Devices) -> bool:
        """It is there."""
        return True

    def collect(self, report_data: bytes, devices: Devices) -> Any:
        """But it fails."""
        raise DeviceError("as the test asked")


@dataclass
class Asked:
    """A TEE that is asked with its verifier's challenge."""

    tee: str = "se"
    rank: int = 1
    insecure: bool = False
    place: Place = Place.PRIMARY

    def is_present(self, devices: Devices) -> bool:
        """It is there."""
        return True

    def collect(self, report_data: bytes, devices: Devices) -> Any:
        """Nobody may ask this way."""
        raise AssertionError

    def answer(self, challenge: str, report_data: bytes, devices: Devices) -> Any:
        """What it was asked."""
        return {"challenge": challenge, "report_data": report_data.hex()}


def test_one_device_that_fails_fails_all() -> None:
    """Evidence without it would say that it is not there."""
    subject = Attestable(SAMPLE, Devices(), beside=(DEVICE, FailingDevice()))
    with pytest.raises(DeviceError):
        subject.compose(NONCE, KEY, "sha384")
    with pytest.raises(DeviceError):
        subject.collect_devices(b"")


def test_without_devices_the_empty_text_is_bound() -> None:
    """The vector of the protocol."""
    made = Attestable(SAMPLE, Devices()).compose(NONCE, KEY, "sha384")
    assert made.additional_evidence == ""
    assert b64_decode(made.primary_evidence["report_data"]).hex() == WITHOUT_DEVICES
    assert Attestable(SAMPLE, Devices()).collect_devices(b"x") == ""


def test_devices_bind_nonce_and_key_and_the_tee_binds_their_text() -> None:
    """The vector of the protocol for the device; the TEE's digest follows from its text."""
    made = Attestable(SAMPLE, Devices(), beside=(DEVICE,)).compose(NONCE, KEY, "sha384")
    device = made.devices()["sampledevice"]
    assert b64_decode(device["report_data"]).hex() == OF_DEVICE
    bound = runtime_data(NONCE, KEY, made.additional_evidence)
    expected = runtime_data_digest(bound, "sha384")
    assert made.primary_evidence == {"svn": "1", "report_data": b64_encode(expected)}


def test_devices_are_hashed_as_the_tee_is() -> None:
    """Also beside Secure Execution, where upstream's server expects something else."""
    subject = Attestable(Asked(), Devices(), beside=(DEVICE,))
    made = subject.compose(NONCE, KEY, "sha512")
    of_device = runtime_data_digest(runtime_data(NONCE, KEY, None), "sha512")
    assert b64_decode(made.devices()["sampledevice"]["report_data"]) == of_device
    assert made.primary_evidence["challenge"] == NONCE
    text = runtime_data(NONCE, KEY, made.additional_evidence)
    assert made.primary_evidence["report_data"] == runtime_data_digest(text, "sha512").hex()


def test_stock_guests_get_the_same_bytes_for_each_device() -> None:
    """GetAdditionalEvidence hashes nothing."""
    subject = Attestable(SAMPLE, Devices(), beside=(DEVICE,))
    text = subject.collect_devices(digest(b"x", "sha384"))
    expected = {"svn": "2", "report_data": b64_encode(digest(b"x", "sha384"))}
    assert json.loads(text) == {"sampledevice": expected}
