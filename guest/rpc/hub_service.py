"""The services of the Confidential Data Hub (guest.md, section 1.5).

``SecureMountService`` and ``ImagePullService`` are not served: this guest mounts nothing and pulls
no images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from guest.kms.ports import ResourceFetcher
from guest.rpc.protobuf import Fields, octets_field
from guest.rpc.services import Method, Services

RESOURCE_SERVICE = "api.GetResourceService"
SEALED_SECRET_SERVICE = "api.SealedSecretService"  # noqa: S105  (the name of a service)
KEY_PROVIDER_SERVICE = "keyprovider.KeyProviderService"

_ERROR = "[CDH] [ERROR]: "


@dataclass(frozen=True, slots=True)
class HubService:
    """Answers for a Confidential Data Hub.

    Attributes:
        fetch: brings resources by their URIs.
        unseal: opens sealed secrets.
        unwrap: answers requests of ocicrypt.
    """

    fetch: ResourceFetcher = field(repr=False)
    unseal: Callable[[str], bytes] = field(repr=False)
    unwrap: Callable[[bytes], bytes] = field(repr=False)

    def services(self) -> Services:
        """The table of its methods."""
        get_resource = Method(self._resource, f"{_ERROR}Get Resource failed")
        unseal_secret = Method(self._unseal, f"{_ERROR}Unseal Secret failed")
        unwrap = Method(self._unwrap, f"{_ERROR}Decrypt Image (UnwrapKey) failed")
        return {
            RESOURCE_SERVICE: {"GetResource": get_resource},
            SEALED_SECRET_SERVICE: {"UnsealSecret": unseal_secret},
            KEY_PROVIDER_SERVICE: {"UnWrapKey": unwrap},
        }

    def _resource(self, request: Fields) -> bytes:
        return octets_field(1, self.fetch(request.text(1)))

    def _unseal(self, request: Fields) -> bytes:
        return octets_field(1, self.unseal(request.text(1)))

    def _unwrap(self, request: Fields) -> bytes:
        return octets_field(1, self.unwrap(request.octets(1)))
