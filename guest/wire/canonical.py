"""RFC 8785 canonical JSON: the one serialisation that both sides hash."""

from __future__ import annotations

from typing import Any

import rfc8785

from guest.wire.errors import WireError


def canonical_json(value: Any) -> bytes:  # noqa: ANN401  (any JSON value)
    """The canonical bytes of a JSON value (RFC 8785).

    Raises:
        WireError: the value holds something that JSON cannot say, or an integer beyond 2^53.
    """
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeEncodeError) as error:
        raise WireError("this value has no canonical JSON form") from error
