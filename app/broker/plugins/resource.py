"""Secrets by path: ``/kbs/v0/resource/<repository>/<type>/<tag>`` (wire.md 6.2)."""

from __future__ import annotations

from app.broker.plugins.ports import Call, ClientPlugin, Gate, Operation, SecretReader
from app.broker.secrets import ResourceID
from app.trust.errors import ResourceNotFoundError


class ResourcePlugin:
    """Releases secrets to guests; operators write and delete them."""

    name = "resource"
    operations: tuple[Operation, ...] = (
        Operation("GET", Gate.GUEST, sealed=True),
        Operation("POST", Gate.OPERATOR, sealed=False),
        Operation("DELETE", Gate.OPERATOR, sealed=False),
    )

    def check(self, call: Call) -> None:
        """Refuse anything but three well-formed segments (see ``ClientPlugin.check``)."""
        ResourceID.of(list(call.segments))

    def answer(self, call: Call, read_secret: SecretReader) -> bytes:
        """The secret (see ``ClientPlugin.answer``)."""
        secret = read_secret(ResourceID.of(list(call.segments)))
        if secret is None:
            raise ResourceNotFoundError("there is no such secret")
        return secret


PLUGIN: ClientPlugin = ResourcePlugin()
