"""Init data: the host-delivered document that the hardware binds (wire.md 2.8; guest.md 2.5)."""

from __future__ import annotations

from dataclasses import dataclass

from guest.wire.digests import digest
from guest.wire.errors import WireError
from guest.wire.json_types import JSONValue
from guest.wire.strict_toml import parse_toml


@dataclass(frozen=True, slots=True)
class InitData:
    """A parsed init-data document.

    Attributes:
        version: the document's own version, unchecked.
        algorithm: what it is hashed with: ``sha256``, ``sha384``, ``sha512`` or ``sm3``.
        data: the files it carries, by name, such as ``aa.toml``, ``cdh.toml``, ``policy.rego``.
        digest: over the exact bytes of the text.
        text: the document as it came.
    """

    version: str
    algorithm: str
    data: dict[str, str]
    digest: bytes
    text: str


def parse_init_data(text: str) -> InitData:
    """An init-data document.

    Raises:
        WireError: it is not TOML, longer than 256 KiB, lacks ``version``, ``algorithm`` or
            ``data``, has one of another type, or names an algorithm in another spelling.
    """
    if not isinstance(text, str):
        raise WireError("init data is not text")
    table = parse_toml(text)
    algorithm = _text(table.get("algorithm"), "algorithm")
    return InitData(
        version=_text(table.get("version"), "version"),
        algorithm=algorithm,
        data=_data(table.get("data")),
        digest=digest(text.encode("utf-8"), algorithm),
        text=text,
    )


def _text(value: JSONValue, name: str) -> str:
    if not isinstance(value, str):
        raise WireError(f"init data needs the text {name}")
    return value


def _data(value: JSONValue) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise WireError("init data needs the table data, which holds texts only")
    return value
