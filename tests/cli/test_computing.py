"""``vouchgate reference-values compute``: printed, kept as a message, registered, proposed."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from command_site import Site
from simulated.firmware import image

from app.lab.tdx import event_log

COMPUTE = ("reference-values", "compute")
TDX = (*COMPUTE, "tdx", "--firmware")


@pytest.fixture
def firmware(site: Site) -> str:
    """The firmware of the tests, as a file."""
    return site.file("OVMF.fd", image())


def held(site: Site, name: str) -> str:
    """The value of a name, as text; empty when there never was one."""
    result = site.run("reference-values", "show", name)
    lines = dict(line.split("\t") for line in result.stdout.splitlines())
    return lines.get("value", "")


def test_each_is_printed(site: Site, firmware: str) -> None:
    """Name and value; nothing is written."""
    log = site.file("CCEL", event_log([(1, 5, b"a")]))
    lines = site.does(*TDX, firmware, "--event-log", log).splitlines()
    assert [line.split("\t")[0] for line in lines] == ["mr_td", "rtmr_0"]
    snp = ("--vcpus", "1", "--vcpus", "2", "--vcpu-signature", "0xa00f11")
    (line,) = site.does(*COMPUTE, "snp", "--firmware", firmware, *snp).splitlines()
    name, values = line.split("\t")
    assert (name, len(json.loads(values))) == ("snp_launch_measurement", 2)
    assert site.does("reference-values", "list") == ""


def test_a_message_registers_the_same(site: Site, firmware: str) -> None:
    """Kept in a file or printed, and registered later."""
    path = str(site.folder / "message.json")
    site.does(*TDX, firmware, "--save", path)
    assert site.does(*TDX, firmware, "--save", "-") == Path(path).read_text()
    assert held(site, "mr_td") == ""
    site.does("reference-values", "register", path)
    (line,) = site.does(*TDX, firmware).splitlines()
    assert line == f"mr_td\t{held(site, 'mr_td')}"


def test_values_are_registered_and_kept_beside_each_other(site: Site, firmware: str) -> None:
    """A roll-out has guests of both builds; without ``--keep`` the new build alone counts."""
    other = site.file("other.fd", image(pages=8))
    site.does(*TDX, firmware, "--register")
    (first,) = json.loads(held(site, "mr_td"))
    site.does(*TDX, other, "--order", "section", "--register", "--keep")
    kept = json.loads(held(site, "mr_td"))
    assert (kept[0], len(kept)) == (first, 2)
    site.does(*TDX, firmware, "--register", "--keep")
    assert json.loads(held(site, "mr_td")) == kept
    site.does(*TDX, firmware, "--register")
    assert json.loads(held(site, "mr_td")) == [first]
    assert "computed for tdx: firmware " in site.does("reference-values", "show", "mr_td")


def test_a_draft_waits(site: Site, firmware: str) -> None:
    """The proposal's id comes first; nothing is registered."""
    proposal_id, *_ = site.does(*TDX, firmware, "--draft").splitlines()
    assert proposal_id in site.does("proposals", "list")
    assert held(site, "mr_td") == ""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("tdx",), "malformed-request"),
        (("tdx", "--firmware", "/nowhere"), "malformed-request"),
        (("tdx", "--firmware", "/"), "malformed-request"),
        (("tdx", "--firmware", "{huge}"), "too-large"),
        (("tdx", "--event-log", "{huge}"), "too-large"),
        (("tdx", "--firmware", "{cut}"), "malformed-firmware"),
        (("tdx", "--firmware", "{firmware}", "--keep"), "malformed-request"),
        (("tdx", "--firmware", "{firmware}", "--save", "/nowhere/x"), "malformed-request"),
        (("pcrs", "{firmware}"), "malformed-evidence"),
        (("pcrs", "{huge}"), "too-large"),
        (("snp", "--firmware", "{cut}", "--vcpus", "1", "--vcpu-type", "EPYC"), "malformed-firm"),
        (("snp", "--firmware", "{firmware}", "--vcpus", "1"), "malformed-request"),
        (
            ("snp", "--firmware", "{firmware}", "--vcpus", "1", "--vcpu-type", "i486"),
            "vcpu-type-unknown",
        ),
        (
            ("snp", "--firmware", "{firmware}", "--vcpus", "1", "--vcpu-signature", "x"),
            "malformed-request",
        ),
    ],
)
def test_bad_input_writes_nothing(
    site: Site, firmware: str, arguments: tuple[str, ...], code: str
) -> None:
    """A reason code, and neither a value nor a file."""
    cut = site.file("cut.fd", image()[:5000])
    huge = site.folder / "huge"
    with huge.open("wb") as file:
        file.truncate(2**40)
    files = {"firmware": firmware, "cut": cut, "huge": str(huge)}
    asked = [each.format(**files) for each in arguments]
    registering = [] if "--keep" in asked or "--save" in asked else ["--register"]
    assert code in site.refuses(*COMPUTE, *asked, *registering)
    with closing(sqlite3.connect(site.folder / "vouchgate.db")) as database:
        assert database.execute("SELECT count(*) FROM reference_values").fetchone() == (0,)
