"""Real disks, in a Linux that has the device mapper: what ``real_disks`` tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from disk_machine import run_in_it

STORIES = Path(__file__).with_name("real_disks.py")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """All stories, told once."""
    folder = tmp_path_factory.mktemp("machine")
    said = run_in_it(STORIES, folder)
    assert (folder / "told.json").exists(), said
    return json.loads((folder / "told.json").read_text())


def test_a_changed_disk_is_not_read(told: Any) -> None:
    """One bit in each block, and neither mount nor file gives anything."""
    assert told["an_encrypted_disk"]["changed"] in {"program-failed", "OSError"}


def test_a_wrong_key_opens_nothing(told: Any) -> None:
    """And the right one does, afterwards; nothing stays mapped."""
    story = told["an_encrypted_disk"]
    assert (story["wrong"], story["read"], story["left"]) == ("not-decrypted", True, [])


def test_a_disk_without_integrity_is_refused(told: Any) -> None:
    """Unless integrity is given up by name."""
    assert told["a_disk_without_integrity"] == {"refused": "volume-untrusted", "read": True}


def test_a_disk_in_use_is_refused(told: Any) -> None:
    """Formatting it would destroy what is mounted."""
    assert told["an_empty_disk"]["again"] == "block-device-unusable"


def test_an_empty_disk_holds_what_is_written_and_shows_none_of_it(told: Any) -> None:
    """Neither plaintext nor a header is on the disk."""
    assert told["an_empty_disk"] == {
        "mounted": ["/dev/mapper/empty ext4 rw,noatime"],
        "read": True,
        "plaintext": False,
        "header": False,
        "again": "block-device-unusable",
    }


def test_a_link_leads_to_what_is_readable_and_failures_leave_nothing_open(told: Any) -> None:
    """A file system that cannot be made closes the disk again."""
    assert told["a_link"] == {
        "link": "/dev/mapper/link",
        "is_disk": True,
        "broken": "program-failed",
        "left": [],
    }
