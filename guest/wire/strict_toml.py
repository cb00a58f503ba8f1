"""TOML from strangers, in bounded time.

The parser of the standard library takes time and memory in the square of the number of parts of a
dotted key, so a quarter of a megabyte of ``a.a.a.a…`` would take tens of gigabytes. The parts are
counted before it runs.
"""

from __future__ import annotations

import re
import tomllib

from guest.wire.errors import WireError
from guest.wire.json_types import JSONObject

MAX_BYTES = 256 * 1024
MAX_KEY_PARTS = 16

# Everything of TOML 1.0 in which a dot is text: strings of all four kinds, and comments. An
# unclosed string swallows the rest, which the parser refuses anyway.
_TEXT = re.compile(
    r'"""(?:[^\\]|\\.|\\\Z)*?(?:"{3,5}|\Z)'
    r"|'''.*?(?:'{3,5}|\Z)"
    r'|"(?:[^"\\\n]|\\[^\n])*+"?'
    r"|'[^'\n]*+'?"
    r"|#[^\n]*+",
    re.DOTALL,
)


def parse_toml(text: str) -> JSONObject:
    """The table of a TOML 1.0 document.

    Raises:
        WireError: it is not TOML, is longer than ``MAX_BYTES`` in UTF-8, has a line with more than
            ``MAX_KEY_PARTS`` dots outside strings, or nests too deep.
    """
    if len(text) > MAX_BYTES or len(_utf8(text)) > MAX_BYTES:
        raise WireError(f"the TOML document is longer than {MAX_BYTES} bytes")
    structure = _TEXT.sub("s", text)
    if any(line.count(".") > MAX_KEY_PARTS for line in structure.split("\n")):
        raise WireError(f"a key of the TOML document has more than {MAX_KEY_PARTS} parts")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise WireError("the text is not TOML") from error


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise WireError("the text holds a lone surrogate") from error
