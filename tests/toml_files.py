"""Settings files for servers of the tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path


def write_toml(path: Path, table: Mapping[str, object]) -> Path:
    """Write a settings table; the path."""
    path.write_text(_toml(table), encoding="utf-8")
    return path


def _toml(table: Mapping[str, object], prefix: str = "") -> str:
    # JSON's strings, numbers, booleans and flat lists are TOML too.
    lines, tables = [], []
    for name, value in table.items():
        if isinstance(value, Mapping):
            tables.append(f"\n[{prefix}{name}]\n" + _toml(value, f"{prefix}{name}."))
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            tables += [f"\n[[{prefix}{name}]]\n" + _toml(each) for each in value]
        else:
            lines.append(f"{name} = {json.dumps(value)}")
    return "\n".join(lines) + "\n" + "".join(tables)
