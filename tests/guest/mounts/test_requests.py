"""What is asked to be mounted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from guest.errors import MalformedMountError
from guest.mounts.requests import MountRequest, Options

GOOD = {
    "volume_type": "block-device",
    "options": {"deviceId": "8:32"},
    "flags": [],
    "mount_point": "/run/vol/scratch",
}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"volume_type":"a","volume_type":"b","options":{},"mount_point":"/a"}',
        *(
            json.dumps({**GOOD, **changed}).encode()
            for changed in (
                {"volume_type": 1},
                {"options": []},
                {"options": None},
                {"options": {"deviceId": 8}},
                {"options": {"key": "x" * (1024 * 1024 + 1)}},
                {"options": {str(number): "x" for number in range(65)}},
                {"flags": "ro"},
                {"flags": ["ro"]},
                {"other": 1},
                {"mount_point": ""},
                {"mount_point": "/"},
                {"mount_point": "//"},
                {"mount_point": "run/vol"},
                {"mount_point": "/run/../etc"},
                {"mount_point": "/run/./vol"},
                {"mount_point": "/run/\nvol"},
                {"mount_point": "/" + "a" * 4096},
            )
        ),
    ],
)
def test_refuses_what_is_no_request(text: bytes) -> None:
    """Flags too, which stock guests pass over."""
    with pytest.raises(MalformedMountError):
        MountRequest.parse(text)


def test_reads_what_stock_tools_read() -> None:
    """The example of the specification; flags may be missing."""
    for document in (GOOD, {name: GOOD[name] for name in GOOD if name != "flags"}):
        request = MountRequest.parse(json.dumps(document).encode())
        assert request == MountRequest("block-device", {"deviceId": "8:32"}, "/run/vol/scratch")


def test_options_do_not_show() -> None:
    """One may be a password."""
    assert "secret" not in repr(MountRequest("alibaba-cloud-oss", {"encPasswd": "secret"}, "/a"))


@pytest.mark.parametrize(
    "take",
    [
        lambda options: options.needed("missing"),
        lambda options: options.needed("empty"),
        lambda options: options.choice("kind", ("other",)),
        lambda options: options.choice("missing", ("other",)),
        lambda options: options.close(),
    ],
)
def test_refuses_other_options(take: Any) -> None:
    """What is unknown may be meant to protect."""
    with pytest.raises(MalformedMountError):
        take(Options({"empty": "", "kind": "x"}))


def test_takes_options() -> None:
    """An empty one is a missing one."""
    options = Options({"empty": "", "kind": "x", "name": "y"})
    assert options.text("empty") is None
    assert options.choice("kind", ("x",)) == "x"
    assert options.choice("missing", ("x",), "x") == "x"
    assert options.needed("name") == "y"
    options.close()
