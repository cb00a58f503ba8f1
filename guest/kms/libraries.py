"""Libraries of drivers: extras of the package, loaded when a service is opened."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from guest.errors import KMSExtraError

DISTRIBUTION = "vouchgate-guest"


@contextmanager
def extra(name: str, *loggers: str) -> Iterator[None]:
    """Import what an extra brings.

    Args:
        name: of the extra.
        loggers: of its libraries. They write down requests and answers, secrets among them, when
            they are asked for details, so they are not.

    Raises:
        KMSExtraError: it is not installed.
    """
    try:
        yield
    except ImportError as error:
        sentence = f"this provider needs the extra {name}: pip install '{DISTRIBUTION}[{name}]'"
        raise KMSExtraError(sentence) from error
    for logger in loggers:
        logging.getLogger(logger).setLevel(logging.WARNING)
