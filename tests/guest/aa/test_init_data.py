"""Init data against the hardware."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from emulated_tsm import EmulatedTSM

from guest.aa.init_data import bind_init_data
from guest.attester import Devices
from guest.detection import load_attester
from guest.devices.paths import DevicePaths
from guest.errors import ConfigError, DeviceError, GuestError, InitDataMismatchError, NoTEEError
from guest.settings import Settings
from guest.wiring import Outside, attestable


def document(algorithm: str) -> str:
    """An init-data document."""
    return f'version = "0.1.0"\nalgorithm = "{algorithm}"\n[data]\n"aa.toml" = "x = 1"\n'


TEXT = document("sha384")
DIGEST = hashlib.sha384(TEXT.encode()).digest()


def snp_report(host_data: bytes) -> bytes:
    """A report of version 3 with this field (AMD 56860, table 23)."""
    report = bytearray(1184)
    report[0] = 3
    report[0xC0 : 0xC0 + 32] = host_data
    return bytes(report)


def tdx_quote(field: bytes) -> bytes:
    """A quote of version 4 with this MRCONFIGID and nothing else."""
    return b"\4\0\2\0\x81\0\0\0" + bytes(40 + 184) + field + bytes(400)


@dataclass
class Machine:
    """A machine with one TEE, whose kernel answers a report."""

    tee: str
    folder: Path
    report: bytes
    values: dict[str, Path] = field(default_factory=dict)

    @property
    def devices(self) -> Devices:
        """The way to its hardware."""
        provider = {"snp": "sev_guest", "tdx": "tdx_guest"}[self.tee]
        nothing = {"tdx_measurements": self.folder / "none", **self.values}
        kernel = EmulatedTSM(provider, lambda _: self.report)
        return Devices(DevicePaths(tsm_report=self.folder, **nothing), kernel)

    def bind(self, text: str) -> bool:
        """Compare a document with this hardware."""
        return bind_init_data(text, load_attester(self.tee), self.devices)


@pytest.mark.parametrize("text", ["", "x", 'version = "0.1.0"', document("md5")])
def test_refuses_what_is_no_init_data(tmp_path: Path, text: str) -> None:
    """Before the hardware is asked."""
    with pytest.raises(ConfigError):
        Machine("snp", tmp_path, b"").bind(text)


@pytest.mark.parametrize("digest", [bytes(48), DIGEST[::-1], DIGEST[:47] + b"\0"])
def test_refuses_another_document(tmp_path: Path, digest: bytes) -> None:
    """Hardware that was launched without any, above all."""
    with pytest.raises(InitDataMismatchError):
        Machine("tdx", tmp_path, tdx_quote(digest)).bind(TEXT)


@pytest.mark.parametrize("host_data", [bytes(32), DIGEST[16:], DIGEST[:31] + b"\0"])
def test_refuses_another_host_data(tmp_path: Path, host_data: bytes) -> None:
    """Every byte of the field counts."""
    with pytest.raises(InitDataMismatchError):
        Machine("snp", tmp_path, snp_report(host_data)).bind(TEXT)


@pytest.mark.parametrize(
    "quote", [b"", bytes(600), tdx_quote(DIGEST)[:250], b"\3" + tdx_quote(DIGEST)[1:]]
)
def test_refuses_what_is_no_quote(tmp_path: Path, quote: bytes) -> None:
    """A kernel that answers something else says nothing about init data."""
    with pytest.raises(DeviceError):
        Machine("tdx", tmp_path, quote).bind(TEXT)


def test_a_kernel_without_reports_is_no_match(tmp_path: Path) -> None:
    """The hardware could not be read; that is no reason to go on."""
    attester = load_attester("snp")
    with pytest.raises(NoTEEError):
        bind_init_data(TEXT, attester, Devices(DevicePaths(tsm_report=tmp_path / "none")))


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_binds_what_snp_was_launched_with(tmp_path: Path, algorithm: str) -> None:
    """Longer digests are cut to the 32 bytes of the field."""
    text = document(algorithm)
    digest = hashlib.new(algorithm, text.encode()).digest()
    assert Machine("snp", tmp_path, snp_report(digest[:32])).bind(text)


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_binds_what_tdx_was_launched_with(tmp_path: Path, algorithm: str) -> None:
    """Shorter digests are padded to 48 bytes; a quote of version 5 has its body 6 bytes later."""
    text = document(algorithm)
    digest = hashlib.new(algorithm, text.encode()).digest()[:48].ljust(48, b"\0")
    quote = tdx_quote(digest)
    assert Machine("tdx", tmp_path, quote).bind(text)
    assert Machine("tdx", tmp_path, b"\5" + quote[1:48] + bytes(6) + quote[48:]).bind(text)


def test_the_kernels_file_comes_first(tmp_path: Path) -> None:
    """Where it is, no quote is made; one of another size is no field."""
    path = tmp_path / "mrconfigid"
    path.write_bytes(DIGEST)
    machine = Machine("tdx", tmp_path, b"", {"tdx_measurements": tmp_path})
    assert machine.bind(TEXT)
    path.write_bytes(DIGEST[:32])
    with pytest.raises(DeviceError):
        machine.bind(TEXT)


def test_says_when_there_is_nothing_to_compare(caplog: pytest.LogCaptureFixture) -> None:
    """The sample TEE was launched by nobody."""
    assert not bind_init_data(TEXT, load_attester("sample"), Devices())
    assert "nothing that init data could be compared with" in caplog.text


def test_nothing_is_attested_with_other_init_data(tmp_path: Path, clock: Any) -> None:
    """The guest checks before it makes a token source."""
    machine = Machine("snp", tmp_path, snp_report(DIGEST[:32]))
    settings = Settings(tee="snp", devices=machine.devices.paths, init_data=TEXT)
    outside = Outside(clock, machine.devices.files)
    assert attestable(settings, outside).init_data == TEXT
    other = Settings(tee="snp", devices=machine.devices.paths, init_data=f"{TEXT}#")
    with pytest.raises(GuestError) as caught:
        attestable(other, outside)
    assert caught.value.code == "init-data-mismatch"
