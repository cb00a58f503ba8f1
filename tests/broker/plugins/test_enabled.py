"""What guests may ask of plugins is a table that can be read."""

from __future__ import annotations

from itertools import product

import pytest

from app.broker.plugins.enabled import Plugins
from app.broker.plugins.ports import Call, Gate, Operation, SecretReader
from app.broker.plugins.resource import PLUGIN
from app.trust.errors import ConfigError, PluginNotFoundError


class Leaky:
    """A plugin that would answer guests in the clear."""

    name = "leaky"
    operations: tuple[Operation, ...] = (Operation("GET", Gate.GUEST, sealed=False),)

    def check(self, call: Call) -> None:
        """Anything goes."""

    def answer(self, call: Call, read_secret: SecretReader) -> bytes:
        """Nothing."""
        return b""


def test_refuses_a_plugin_that_answers_unsealed() -> None:
    """A guest's answer travels sealed, whatever a plugin thinks."""
    with pytest.raises(ConfigError):
        Plugins([Leaky()])


def test_refuses_two_plugins_of_one_name() -> None:
    """In Trustee the later one silently replaces the earlier (wire.md 6.1)."""
    other = type(PLUGIN)()
    with pytest.raises(ConfigError):
        Plugins([PLUGIN, other])


@pytest.mark.parametrize(
    ("name", "method"), [*product(["resource", "other"], ["GET", "POST", "PUT"])]
)
def test_guests_may_only_get_resources(name: str, method: str) -> None:
    """Writing is for operators; what is not declared does not exist."""
    plugins = Plugins([PLUGIN])
    if (name, method) == ("resource", "GET"):
        assert plugins.for_guests(name, method) is PLUGIN
    else:
        with pytest.raises(PluginNotFoundError):
            plugins.for_guests(name, method)
