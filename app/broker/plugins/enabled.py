"""The client plugins that are enabled, and what guests may ask of each."""

from __future__ import annotations

from collections.abc import Iterable

from app.broker.plugins.ports import ClientPlugin, Gate
from app.trust.errors import ConfigError, PluginNotFoundError

_SHOWN_CHARACTERS = 64


class Plugins:
    """Finds the plugin that a guest calls, by its declared operations."""

    def __init__(self, plugins: Iterable[ClientPlugin]) -> None:
        """Take the enabled plugins.

        Raises:
            ConfigError: two have one name, or one would answer guests unsealed.
        """
        self._by_name: dict[str, ClientPlugin] = {}
        faults = []
        for plugin in plugins:
            if self._by_name.setdefault(plugin.name, plugin) is not plugin:
                faults.append(f"two client plugins are named {plugin.name}")
            if any(each.gate is Gate.GUEST and not each.sealed for each in plugin.operations):
                faults.append(f"the client plugin {plugin.name} would answer guests unsealed")
        if faults:
            raise ConfigError(faults)

    def for_guests(self, name: str, method: str) -> ClientPlugin:
        """The plugin of this name that does this for guests.

        Raises:
            PluginNotFoundError: there is none.
        """
        plugin = self._by_name.get(name)
        if plugin is None or not any(
            each.gate is Gate.GUEST and each.method == method for each in plugin.operations
        ):
            shown = name[:_SHOWN_CHARACTERS]
            raise PluginNotFoundError(f"no plugin named {shown!r} takes {method} from guests")
        return plugin
