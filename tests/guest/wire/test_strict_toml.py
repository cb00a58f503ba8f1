"""TOML from strangers."""

from __future__ import annotations

import time
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guest.wire.errors import WireError
from guest.wire.strict_toml import MAX_BYTES, parse_toml

PARTS = MAX_BYTES // 2 - 10
ATTACKS = {
    "dotted key": "a." * PARTS + "a = 1",
    "dotted header": "[" + "a." * PARTS + "a]",
    "dotted key of quoted parts": "''." * (PARTS // 2) + "a = 1",
    "dotted key in an inline table": "x = {" + "a." * PARTS + "a = 1}",
    "after a string that ends in quotes": 'x = {k = """a"""", ' + "b." * (PARTS - 20) + "b = 1}",
    "after a literal that ends in quotes": "x = {k = '''a'''', " + "b." * (PARTS - 20) + "b = 1}",
    "after an escaped quote": 'x = {k = "\\"", ' + "b." * (PARTS - 20) + "b = 1}",
    "unclosed strings": '"""\\' * (PARTS // 4),
    "quotes": "'" * MAX_BYTES,
    "brackets": "a = " + "[" * PARTS,
    "braces": "a = " + "{a=" * (PARTS // 2),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_refuses_in_bounded_time(name: str) -> None:
    """None of these takes the square of its length, which would be hours."""
    begun = time.monotonic()
    with pytest.raises(WireError):
        parse_toml(ATTACKS[name])
    assert time.monotonic() - begun < 5


def test_refuses_what_is_too_long() -> None:
    """The bound counts bytes, not characters."""
    with pytest.raises(WireError):
        parse_toml("#" + "ü" * (MAX_BYTES // 2))
    assert parse_toml("#" + "x" * (MAX_BYTES - 1)) == {}


@pytest.mark.parametrize(
    "text",
    [
        "a.b.c = 1.5\n[d.e]\nf = [0.1, 0.2]",
        'url = "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t"',
        "rego = '''\n" + "input.a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r\n" * 3 + "'''",
        "# a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.u.v\n",
        '"a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t" = """\\"..........................."""',
    ],
)
def test_takes_what_the_standard_library_takes(text: str) -> None:
    """Dots inside strings and comments are no parts of keys."""
    assert parse_toml(text) == tomllib.loads(text)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab=.[]{}'\"\\#\n ,1", max_size=80))
def test_agrees_with_the_standard_library(text: str) -> None:
    """Small documents mean the same, or are refused by both."""
    try:
        expected = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        with pytest.raises(WireError):
            parse_toml(text)
        return
    if all(line.count(".") <= 16 for line in text.split("\n")):
        assert parse_toml(text) == expected
