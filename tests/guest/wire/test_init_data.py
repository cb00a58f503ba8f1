"""Init-data documents."""

from __future__ import annotations

import contextlib
import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guest.wire.errors import WireError
from guest.wire.init_data import parse_init_data

GOOD = """version = "0.1.0"
algorithm = "sha384"
[data]
"aa.toml" = '''
[token_configs.kbs]
url = "http://127.0.0.1:8080"
'''
"policy.rego" = "package agent_policy"
"""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "version",
        'version = "1"',
        'version = "1"\nalgorithm = "sha384"',
        'algorithm = "sha384"\n[data]',
        'version = "1"\n[data]',
        'version = 1\nalgorithm = "sha384"\n[data]',
        'version = "1"\nalgorithm = 384\n[data]',
        'version = "1"\nalgorithm = "sha-384"\n[data]',
        'version = "1"\nalgorithm = "SHA384"\n[data]',
        'version = "1"\nalgorithm = "md5"\n[data]',
        'version = "1"\nalgorithm = "sha384"\ndata = "x"',
        'version = "1"\nalgorithm = "sha384"\ndata = ["x"]',
        'version = "1"\nalgorithm = "sha384"\n[data]\na = 1',
        'version = "1"\nalgorithm = "sha384"\n[data.nested]\na = "1"',
        'version = "1"\nversion = "2"\nalgorithm = "sha384"\n[data]',
        GOOD + "# \udc80",
        GOOD + "#" + "x" * 256 * 1024,
    ],
)
def test_refuses_other_documents(text: str) -> None:
    """Wrong types, unknown algorithms and 256 KiB of anything end as a WireError."""
    with pytest.raises(WireError):
        parse_init_data(text)


@pytest.mark.parametrize("value", [None, 1, b"", {}])
def test_refuses_what_is_no_text(value: Any) -> None:
    """The body is text on the wire."""
    with pytest.raises(WireError):
        parse_init_data(value)


def test_the_digest_is_over_the_exact_text() -> None:
    """A line end of another system is another document."""
    document = parse_init_data(GOOD)
    assert document.digest == hashlib.sha384(GOOD.encode()).digest()
    assert document.text == GOOD
    assert document.version == "0.1.0"
    assert document.data["policy.rego"] == "package agent_policy"
    windows = GOOD.replace("\n", "\r\n")
    assert parse_init_data(windows).digest == hashlib.sha384(windows.encode()).digest()


@pytest.mark.parametrize(
    ("algorithm", "size"), [("sha256", 32), ("sha384", 48), ("sha512", 64), ("sm3", 32)]
)
def test_every_algorithm_of_the_protocol_is_taken(algorithm: str, size: int) -> None:
    """Four names, four lengths."""
    text = GOOD.replace("sha384", algorithm)
    assert len(parse_init_data(text).digest) == size


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, len(GOOD) - 1), insert=st.text(max_size=4), cut=st.integers(0, 8))
def test_any_edit_parses_or_is_a_wire_error(at: int, insert: str, cut: int) -> None:
    """Nothing else is ever raised."""
    with contextlib.suppress(WireError):
        parse_init_data(GOOD[:at] + insert + GOOD[at + cut :])
