"""Reference values that are computed from what a guest is started from, before any guest runs.

One module for each kind of measurement. What is computed can be registered, or kept as a message
that any RVPS reads. Files are the operator's own; still every one is bounded and checked, because
builds break.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.attestation.reference_value_messages import MESSAGE_VERSION
from app.trust.errors import MalformedRequestError, TooLargeError
from app.trust.json_types import JSONObject, JSONValue
from guest.wire.encoding import b64_encode

_SHOWN_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Computed:
    """Values, and what they were computed from.

    Attributes:
        values: by the names that policies ask for.
        inputs: what each input was: the first digits of a file's SHA-256, or a setting.
    """

    tee: str
    values: Mapping[str, JSONValue]
    inputs: Mapping[str, str]

    @property
    def source(self) -> str:
        """How they came, for whoever reads them later."""
        told = ", ".join(f"{name} {value}" for name, value in self.inputs.items())
        return f"computed for {self.tee}: {told}"

    def message(self) -> JSONObject:
        """A message that registers them, of the type ``sample``, which every RVPS reads."""
        payload = b64_encode(json.dumps(dict(self.values)).encode())
        return {"version": MESSAGE_VERSION, "type": "sample", "payload": payload}


def load(path: Path, most_bytes: int) -> bytes:
    """A file, whole.

    Raises:
        MalformedRequestError: it cannot be read, or is no plain file.
        TooLargeError: it is larger than that.
    """
    try:
        if not path.is_file():
            raise MalformedRequestError(f"{path} is no file")
        if path.stat().st_size > most_bytes:
            raise TooLargeError(f"{path} has more than {most_bytes} bytes")
        # Files of the kernel say that they are empty, so what comes counts.
        with path.open("rb") as file:
            content = file.read(most_bytes + 1)
    except OSError as error:
        raise MalformedRequestError(f"{path}: {error.strerror}") from error
    if len(content) > most_bytes:
        raise TooLargeError(f"{path} has more than {most_bytes} bytes")
    return content


def told_digest(content: bytes) -> str:
    """The first digits of the SHA-256, for people."""
    return hashlib.sha256(content).hexdigest()[:_SHOWN_DIGITS]
