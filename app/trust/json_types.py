"""Names for parsed JSON, so that signatures can say what they carry."""

from __future__ import annotations

from typing import Any, TypeAlias

# A recursive alias would make every walk over evidence a chain of casts; the parsers below the
# edge check shapes, the type checker checks that nobody forgets which values are JSON.
JSONValue: TypeAlias = Any
JSONObject: TypeAlias = dict[str, Any]
