"""Collateral in a folder."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.attestation.collateral.amd import AMDCatalogue
from app.attestation.collateral.offline import MAX_FILE_BYTES, OfflineSource
from app.trust.errors import CollateralUnavailableError, ConfigError

CHIP = "0f" * 64
VCEK = f"amd/milan/vcek/{CHIP}/bl03_tee00_snp14_ucode209"


@pytest.fixture
def source(tmp_path: Path) -> OfflineSource:
    """An empty folder, beside a file that nobody may have."""
    folder = tmp_path / "offline"
    folder.mkdir()
    (tmp_path / "outside").write_bytes(b"secret")
    return OfflineSource(folder, [AMDCatalogue()])


def put(tmp_path: Path, name: str, body: bytes) -> Path:
    """A file in the folder."""
    path = tmp_path / "offline" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return path


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    """Before anything is served."""
    with pytest.raises(ConfigError, match="nowhere"):
        OfflineSource(tmp_path / "nowhere", [])


@pytest.mark.parametrize("name", ["../outside", "amd/../../outside", "/etc/passwd", "amd\0x/y"])
def test_a_name_does_not_leave_the_folder(source: OfflineSource, name: str) -> None:
    """Whatever is in it."""
    assert source.find(name) is None


def test_what_is_not_there_is_none(source: OfflineSource, tmp_path: Path) -> None:
    """A folder in its place is nothing either, nor a file in the place of a folder."""
    (tmp_path / "offline" / "amd" / "milan" / "crl").mkdir(parents=True)
    put(tmp_path, "amd/genoa", b"a file")
    for name in ("amd/milan/cert_chain", "amd/milan/crl", "amd/genoa/crl", VCEK):
        assert source.find(name) is None


def test_a_document_lies_at_its_name(source: OfflineSource, tmp_path: Path) -> None:
    """And is as old as its file."""
    path = put(tmp_path, "amd/milan/cert_chain", b"PEM")
    os.utime(path, (1_750_000_000, 1_750_000_000))
    found = source.find("amd/milan/cert_chain")
    assert found is not None
    assert (found.unverified_body, found.unverified_headers) == (b"PEM", {})
    assert found.fetched_at == datetime.fromtimestamp(1_750_000_000, UTC)
    assert found.source == source.name == f"offline:{tmp_path / 'offline'}"


def test_trustees_layout_is_read(source: OfflineSource, tmp_path: Path) -> None:
    """The certificate for the TCB goes before the one for the chip, the name before both."""
    for path in (
        f"vcek/{CHIP}/vcek.der",
        f"vcek/{CHIP}/bl03_tee00_snp14_ucode209_vcek.der",
        VCEK,
    ):
        put(tmp_path, path, path.encode())
        found = source.find(VCEK)
        assert found is not None
        assert found.unverified_body == path.encode()


def test_headers_lie_beside_their_document(source: OfflineSource, tmp_path: Path) -> None:
    """Issuer chains come in them."""
    put(tmp_path, "intel/x", b"{}")
    put(tmp_path, "intel/x.headers.json", b'{"TCB-Info-Issuer-Chain": "%2D"}')
    found = source.find("intel/x")
    assert found is not None
    assert found.unverified_headers == {"tcb-info-issuer-chain": "%2D"}


@pytest.mark.parametrize("text", [b"", b"[]", b'{"a": 1}', b'{"a": "1", "a": "2"}', b"\xff"])
def test_headers_of_another_shape_make_it_unavailable(
    source: OfflineSource, tmp_path: Path, text: bytes
) -> None:
    """Better none than half a document."""
    put(tmp_path, "intel/x", b"{}")
    put(tmp_path, "intel/x.headers.json", text)
    with pytest.raises(CollateralUnavailableError):
        source.find("intel/x")


def test_a_file_that_is_too_large_is_unavailable(source: OfflineSource, tmp_path: Path) -> None:
    """It is no collateral."""
    put(tmp_path, "amd/milan/crl", bytes(MAX_FILE_BYTES + 1))
    with pytest.raises(CollateralUnavailableError):
        source.find("amd/milan/crl")


def test_a_file_that_cannot_be_read_is_unavailable(source: OfflineSource, tmp_path: Path) -> None:
    """A link to itself stands for every such fault."""
    path = put(tmp_path, "amd/milan/crl", b"")
    path.unlink()
    path.symlink_to(path)
    with pytest.raises(CollateralUnavailableError):
        source.find("amd/milan/crl")
