"""The Secure Execution attester: the verifier's challenge, a stand-in for ``/dev/uv``, claims."""

from __future__ import annotations

import errno
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from bare_machine import bare_paths
from fakes import NOON
from simulated.collateral import MemoryCollateral
from simulated.device_nodes import StandInNodes, Uvdevice, refusing
from simulated.se import TAGS, Firmware, SimulatedZ

from app.attestation.evidence import Binding, Challenger, Context, UnverifiedEvidence
from app.attestation.verifiers.se import VERIFIER
from app.trust.errors import UnverifiedError
from guest.attester import Devices
from guest.attesters.se import ATTESTER, SEAttester
from guest.errors import AttesterError, DeviceError, NoTEEError, ProtocolError
from guest.wire.encoding import b64_encode

REPORT_DATA = hashlib.sha512(b"nonce and key").digest()


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> SimulatedZ:
    """A machine and the verifier's files."""
    return SimulatedZ(tmp_path_factory.mktemp("z"))


@pytest.fixture
def challenge(machine: SimulatedZ) -> str:
    """A fresh one of the verifier."""
    assert isinstance(VERIFIER, Challenger)
    return VERIFIER.challenge("", Context(NOON, MemoryCollateral({}), machine.options()))


def guest(folder: Path, machine: SimulatedZ, **options: Any) -> Devices:
    """A guest on the machine."""
    path, flag = folder / "uv", folder / "prot_virt_guest"
    flag.write_text("1\n")
    driver = Uvdevice(Firmware(machine.host_key), TAGS, **options)
    return Devices(bare_paths(folder, uv=path, uv_guest=flag), nodes=StandInNodes({path: driver}))


def verify(evidence: Any, machine: SimulatedZ, report_data: bytes = REPORT_DATA) -> dict[str, Any]:
    """Claims of the verifier that made the challenge."""
    (claims,) = VERIFIER.verify(
        UnverifiedEvidence("se", evidence),
        Binding(report_data),
        Context(NOON, MemoryCollateral({}), machine.options()),
    )
    return claims.values


def changed(challenge: str, **members: Any) -> str:
    """The challenge with other members; ``None`` leaves one out."""
    found = json.loads(challenge) | members
    return json.dumps({name: value for name, value in found.items() if value is not None})


@pytest.mark.parametrize(
    "members",
    [
        {"request_blob": None},
        {"request_blob": ""},
        {"request_blob": "*"},
        {"request_blob": 1},
        {"request_blob": b64_encode(bytes(0x100001))},
        {"measurement_size": None},
        {"measurement_size": -1},
        {"measurement_size": 2**40},
        {"measurement_size": True},
        {"additional_size": 0x8001},
        {"encr_request_nonce": None},
        {"image_hdr_tags": []},
    ],
    ids=str,
)
def test_refuses_another_request(
    tmp_path: Path, machine: SimulatedZ, challenge: str, members: Any
) -> None:
    """A server's, so its fault; nothing is allocated by its measure."""
    with pytest.raises(ProtocolError):
        ATTESTER.answer(changed(challenge, **members), REPORT_DATA, guest(tmp_path, machine))


@pytest.mark.parametrize("text", ["", "bm9uY2U=", "[]", "{"])
def test_refuses_a_nonce_of_another_kind(tmp_path: Path, machine: SimulatedZ, text: str) -> None:
    """A nonce that is no request cannot be answered."""
    devices = guest(tmp_path, machine)
    with pytest.raises(ProtocolError):
        ATTESTER.answer(text, REPORT_DATA, devices)
    with pytest.raises(DeviceError, match="verifier's request only"):
        ATTESTER.collect(text.encode(), devices)


def test_refuses_what_the_ultravisor_did_not_do(
    tmp_path: Path, machine: SimulatedZ, challenge: str
) -> None:
    """Its own code, the device's refusal, or no device."""
    devices = guest(tmp_path, machine, code=0x0106)
    with pytest.raises(DeviceError, match="0x106"):
        ATTESTER.answer(challenge, REPORT_DATA, devices)
    for nodes, kind in (
        (StandInNodes({devices.paths.uv: refusing(errno.EINVAL)}), DeviceError),
        (StandInNodes({}), NoTEEError),
    ):
        with pytest.raises(kind):
            ATTESTER.answer(challenge, REPORT_DATA, Devices(devices.paths, nodes=nodes))


def test_refuses_long_report_data(tmp_path: Path, machine: SimulatedZ, challenge: str) -> None:
    """65 bytes are not cut."""
    with pytest.raises(AttesterError):
        ATTESTER.answer(challenge, bytes(65), guest(tmp_path, machine))


def test_is_found_by_the_firmwares_word(tmp_path: Path, machine: SimulatedZ) -> None:
    """And not by a host's of the same name."""
    devices = guest(tmp_path, machine)
    assert ATTESTER.is_present(devices)
    devices.paths.uv_guest.write_text("0\n")
    assert not ATTESTER.is_present(devices)
    assert not ATTESTER.is_present(Devices(bare_paths(tmp_path / "none")))


def test_the_verifier_accepts_the_answer(
    tmp_path: Path, machine: SimulatedZ, challenge: str
) -> None:
    """What it encrypted for itself comes back, and the measurement is of its key."""
    evidence = SEAttester().answer(challenge, REPORT_DATA, guest(tmp_path, machine))
    claims = verify(evidence, machine)
    assert claims["report_data"] == REPORT_DATA.hex()
    for other in (REPORT_DATA[::-1], b""):
        with pytest.raises(UnverifiedError):
            verify(evidence, machine, other)


def test_answers_what_stock_guests_answer(
    tmp_path: Path, machine: SimulatedZ, challenge: str
) -> None:
    """GetEvidence with the request as its input, the digest inside."""
    request = changed(challenge, runtime_data_digest=b64_encode(REPORT_DATA))
    evidence = ATTESTER.collect(request.encode(), guest(tmp_path, machine))
    assert verify(evidence, machine)["report_data"] == REPORT_DATA.hex()
