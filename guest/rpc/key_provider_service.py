"""The key provider of those who encrypt images: wrapping, as ``coco_keyprovider`` serves it.

Guests unwrap, by the hub's service of the same name; neither does the other's part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from guest.rpc.hub_service import KEY_PROVIDER_SERVICE
from guest.rpc.protobuf import Fields, octets_field
from guest.rpc.services import Method, Services


@dataclass(frozen=True, slots=True)
class KeyProviderService:
    """Answers image tools.

    Attributes:
        wrap: answers requests of ocicrypt.
    """

    wrap: Callable[[bytes], bytes] = field(repr=False)

    def services(self) -> Services:
        """The table of its methods."""
        return {KEY_PROVIDER_SERVICE: {"WrapKey": Method(self._wrap, "Encrypt Image failed")}}

    def _wrap(self, request: Fields) -> bytes:
        return octets_field(1, self.wrap(request.octets(1)))
