"""The services of the Confidential Data Hub (guest.md, section 1.5).

``ImagePullService`` says what to do instead: this guest pulls no images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from guest.errors import MountNotEnabledError
from guest.kms.ports import ResourceFetcher
from guest.mounts.requests import MountRequest
from guest.rpc.protobuf import Fields, MalformedMessageError, octets_field, text_field
from guest.rpc.services import Code, Method, Services, StatusError

RESOURCE_SERVICE = "api.GetResourceService"
SEALED_SECRET_SERVICE = "api.SealedSecretService"  # noqa: S105  (the name of a service)
KEY_PROVIDER_SERVICE = "keyprovider.KeyProviderService"
SECURE_MOUNT_SERVICE = "api.SecureMountService"
IMAGE_PULL_SERVICE = "api.ImagePullService"

_ERROR = "[CDH] [ERROR]: "
_NO_PULL = (
    f"{_ERROR}Image Pull error: this guest pulls no images; let the container runtime pull inside "
    "of the guest, and have it ask UnWrapKey for the keys of encrypted layers"
)


@dataclass(frozen=True, slots=True)
class HubService:
    """Answers for a Confidential Data Hub.

    Attributes:
        fetch: brings resources by their URIs.
        unseal: opens sealed secrets.
        unwrap: answers requests of ocicrypt.
        mount: mounts volumes; ``None`` when callers may not have that done.
    """

    fetch: ResourceFetcher = field(repr=False)
    unseal: Callable[[str], bytes] = field(repr=False)
    unwrap: Callable[[bytes], bytes] = field(repr=False)
    mount: Callable[[MountRequest], None] | None = field(default=None, repr=False)

    def services(self) -> Services:
        """The table of its methods."""
        get_resource = Method(self._resource, f"{_ERROR}Get Resource failed")
        unseal_secret = Method(self._unseal, f"{_ERROR}Unseal Secret failed")
        unwrap = Method(self._unwrap, f"{_ERROR}Decrypt Image (UnwrapKey) failed")
        return {
            RESOURCE_SERVICE: {"GetResource": get_resource},
            SEALED_SECRET_SERVICE: {"UnsealSecret": unseal_secret},
            KEY_PROVIDER_SERVICE: {"UnWrapKey": unwrap},
            SECURE_MOUNT_SERVICE: {
                "SecureMount": Method(self._mount, f"{_ERROR}Secure Mount failed")
            },
            IMAGE_PULL_SERVICE: {"PullImage": Method(_refuse_to_pull, _NO_PULL)},
        }

    def _resource(self, request: Fields) -> bytes:
        return octets_field(1, self.fetch(request.text(1)))

    def _unseal(self, request: Fields) -> bytes:
        return octets_field(1, self.unseal(request.text(1)))

    def _unwrap(self, request: Fields) -> bytes:
        return octets_field(1, self.unwrap(request.octets(1)))

    def _mount(self, request: Fields) -> bytes:
        if self.mount is None:
            raise MountNotEnabledError("callers may not have volumes mounted; rpc.secure_mount")
        self.mount(mount_request(request))
        return b""


def mount_request(request: Fields) -> MountRequest:
    """The request of ``SecureMount``.

    Raises:
        MalformedMessageError: an option is no pair of texts, or is there twice.
        MalformedMountError: what it says does not fit.
    """
    pairs = [Fields(entry) for entry in request.every_octets(2)]
    options = {pair.text(1): pair.text(2) for pair in pairs}
    if len(options) < len(pairs):
        raise MalformedMessageError("an option is there twice")
    return MountRequest.checked(request.text(1), options, request.texts(3), request.text(4))


def mount_message(request: MountRequest) -> bytes:
    """The message that asks another hub the same."""
    entries = [text_field(1, key) + text_field(2, value) for key, value in request.options.items()]
    options = b"".join(octets_field(2, entry) for entry in entries)
    return text_field(1, request.volume_type) + options + text_field(4, request.mount_point)


def _refuse_to_pull(request: Fields) -> bytes:  # noqa: ARG001  (one shape for all methods)
    raise StatusError(Code.UNIMPLEMENTED, _NO_PULL)
