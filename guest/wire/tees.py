"""Wire names of TEEs (wire.md 2.3)."""

from __future__ import annotations

import re

from guest.wire.errors import WireError
from guest.wire.json_types import JSONValue

# The names that the protocol has given so far. A name beyond them is well-formed all the same:
# whether it can be verified is the question of which verifiers are enabled.
TEES = frozenset(
    {
        "az-snp-vtpm",
        "az-tdx-vtpm",
        "cca",
        "csv",
        "hygondcu",
        "nvidia",
        "nvidia-dpu",
        "sample",
        "sampledevice",
        "se",
        "sgx",
        "snp",
        "tdx",
        "tpm",
    }
)
MAX_DEVICES = 16

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")


def parse_tee(value: JSONValue) -> str:
    """The wire name of a TEE, known or not.

    Raises:
        WireError: not text of at most 32 lower-case letters, digits and hyphens.
    """
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise WireError("the name of the TEE is not one")
    return value
