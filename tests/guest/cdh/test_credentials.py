"""Credentials that become files when the guest begins to serve."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from guest.cdh.credentials import Credential, is_below, write_credentials
from guest.errors import CredentialError, NotFoundError


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/run/kbs/aws/credential.json", True),
        ("/run/kbs/a", True),
        ("/run/kbs", False),
        ("/run/kbsX/a", False),
        ("/run/kbs/../a", False),
        ("/run/kbs/a/../../b", False),
        ("/etc/config.toml", False),
        ("kbs/a", False),
    ],
)
def test_below_is_whole_names(path: str, answer: bool) -> None:
    """Upstream compares the beginning of the text, and lets ``kbsX`` pass."""
    assert is_below(Path(path), Path("/run/kbs")) is answer


def test_one_that_is_missing_leaves_none(tmp_path: Path, resources: Any) -> None:
    """Half of the credentials would look like all of them."""
    folder = tmp_path / "kbs"
    resources.held["kbs:///a/b/c"] = b"there"
    wanted = [
        Credential(folder / "there", "kbs:///a/b/c"),
        Credential(folder / "missing", "kbs:///a/b/none"),
    ]
    with pytest.raises(NotFoundError):
        write_credentials(wanted, folder, resources)
    assert not folder.exists()


@pytest.mark.parametrize("path", ["../outside", "a/../../outside"])
def test_refuses_to_write_elsewhere(tmp_path: Path, resources: Any, path: str) -> None:
    """Also when settings did not look at the path."""
    resources.held["kbs:///a/b/c"] = b"x"
    folder = tmp_path / "kbs"
    with pytest.raises(CredentialError):
        write_credentials([Credential(folder / path, "kbs:///a/b/c")], folder, resources)
    assert not (tmp_path / "outside").exists()


def test_follows_no_link(tmp_path: Path, resources: Any) -> None:
    """Neither on the way nor at its end."""
    folder, outside = tmp_path / "kbs", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (folder / "aws").symlink_to(outside)
    resources.held["kbs:///a/b/c"] = b"x"
    with pytest.raises(CredentialError):
        write_credentials([Credential(folder / "aws" / "f", "kbs:///a/b/c")], folder, resources)
    assert list(outside.iterdir()) == []
    (folder / "file").symlink_to(outside / "f")
    write_credentials([Credential(folder / "file", "kbs:///a/b/c")], folder, resources)
    assert list(outside.iterdir()) == []
    assert (folder / "file").read_bytes() == b"x"


def test_a_folder_in_place_of_the_file_is_told(tmp_path: Path, resources: Any) -> None:
    """With nothing left beside it."""
    (tmp_path / "kbs" / "aws").mkdir(parents=True)
    resources.held["kbs:///a/b/c"] = b"x"
    with pytest.raises(CredentialError, match="cannot be written"):
        write_credentials(
            [Credential(tmp_path / "kbs/aws", "kbs:///a/b/c")], tmp_path / "kbs", resources
        )
    assert [each.name for each in (tmp_path / "kbs").iterdir()] == ["aws"]


def test_what_a_crash_left_is_in_nobodys_way(tmp_path: Path, resources: Any) -> None:
    """Half of a file, beside it."""
    (tmp_path / "kbs").mkdir()
    (tmp_path / "kbs" / ".c.new").write_bytes(b"ha")
    resources.held["kbs:///a/b/c"] = b"whole"
    write_credentials([Credential(tmp_path / "kbs/c", "kbs:///a/b/c")], tmp_path / "kbs", resources)
    assert {each.name: each.read_bytes() for each in (tmp_path / "kbs").iterdir()} == {
        "c": b"whole"
    }


def test_files_are_for_this_user_alone(tmp_path: Path, resources: Any) -> None:
    """Whatever the umask says; a second start replaces them."""
    folder = tmp_path / "kbs"
    wanted = [Credential(folder / "kms-credential/aws/credential.json", "kbs:///a/b/c")]
    before = os.umask(0)
    try:
        for content in (b"old", b"\x00new"):
            resources.held["kbs:///a/b/c"] = content
            write_credentials(wanted, folder, resources)
    finally:
        os.umask(before)
    assert wanted[0].path.read_bytes() == b"\x00new"
    modes = [stat.S_IMODE(each.stat().st_mode) for each in (wanted[0].path, folder)]
    assert modes == [0o600, 0o700]
    assert [each.name for each in wanted[0].path.parent.iterdir()] == ["credential.json"]
