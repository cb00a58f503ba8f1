"""Services for tests of drivers: each is started when the first test asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from kms_rigs import Rig, running


@pytest.fixture(scope="session")
def rig_of(tmp_path_factory: Any) -> Iterator[Callable[[str], Rig]]:
    """The service of a provider."""
    rigs: dict[str, Rig] = {}
    with ExitStack() as services:

        def find(provider: str) -> Rig:
            if provider not in rigs:
                folder = tmp_path_factory.mktemp(provider)
                rigs[provider] = services.enter_context(running(provider, folder))
            return rigs[provider]

        yield find
