"""Versions of the RCAR protocol (semantic versioning 2.0.0; wire.md 2.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from guest.wire.errors import WireError

PROTOCOL_VERSION = "0.4.0"

_NUMBER = r"(0|[1-9][0-9]{0,8})"
_TAG = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_VERSION = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_TAG}))?(?:\+{_TAG})?", re.ASCII)
_LIMIT = 64


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """A semantic version; build metadata does not count and is not kept."""

    major: int
    minor: int
    patch: int
    pre_release: str = ""


def parse_version(text: str) -> Version:
    """The version that a guest says it speaks.

    Raises:
        WireError: not a semantic version.
    """
    match = _VERSION.fullmatch(text) if len(text) <= _LIMIT else None
    if match is None:
        raise WireError("the protocol version is not a semantic version")
    major, minor, patch, pre_release = match.groups()
    return Version(int(major), int(minor), int(patch), pre_release or "")


def is_served(version: Version) -> bool:
    """Whether requests of this version can be served.

    0.4 is spoken exactly; its patches change nothing on the wire. Late guests of 0.3 send what 0.4
    sends. Older ones repeat no nonce in their attestation, so nothing could say what their evidence
    is bound to: better refused at the challenge than after it. So are pre-releases and the future.
    """
    return version.major == 0 and 3 <= version.minor <= 4 and not version.pre_release
