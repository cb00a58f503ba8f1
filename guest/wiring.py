"""The guest's composition root: from settings to an agent and a hub."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from guest.aa.agent import AS_TOKEN, KBS_TOKEN, AttestationAgent, TokenSource
from guest.aa.as_client import ASClient
from guest.aa.attestable import Attestable
from guest.aa.init_data import bind_init_data
from guest.aa.sources import ASTokenSource, KBSTokenSource
from guest.attester import Devices
from guest.cdh.hub import Hub
from guest.cdh.sealed_secrets import Unsealer
from guest.cdh.sealing_keys import SealingKeys
from guest.cdh.shared_fetch import SharedFetch
from guest.cdh.unwrap_key import unwrap_key
from guest.clock import Clock, SystemClock
from guest.detection import find_attester, find_device_attesters
from guest.devices.configfs_tsm import Filesystem, KernelFilesystem
from guest.devices.nodes import KernelNodes, Nodes
from guest.errors import ConfigError
from guest.kbs.client import KBSClient
from guest.kbs.transport import Transport
from guest.kms.ports import ResourceFetcher
from guest.kms.registry import opener
from guest.mounts.devices import BlockDevices, KernelBlockDevices
from guest.mounts.programs import MachinePrograms, Programs
from guest.mounts.requests import MountRequest
from guest.rest.api import API
from guest.rpc import agent_service as rpc
from guest.rpc.hub_service import HubService
from guest.rpc.peers import PeerAgent, PeerHub, PeerTokenSource
from guest.rpc.services import Services
from guest.settings import PASSPORT, ServiceSettings, Settings
from guest.ttrpc.client import TTRPCClient

if TYPE_CHECKING:
    # Only guests that measure, mount, or stand in for stock guests, need these.
    from guest.aa.measurement import Measurer
    from guest.aa.operations import AgentOperations
    from guest.mounts.mounter import Mounter

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outside:
    """What the guest meets outside itself; tests bring their own."""

    clock: Clock = field(default_factory=SystemClock)
    files: Filesystem = field(default_factory=KernelFilesystem)
    nodes: Nodes = field(default_factory=KernelNodes)
    programs: Programs = field(default_factory=MachinePrograms)
    disks: BlockDevices = field(default_factory=KernelBlockDevices)


def devices_of(settings: Settings, outside: Outside) -> Devices:
    """The way to the hardware."""
    return Devices(
        settings.devices,
        outside.files,
        outside.nodes,
        outside.clock,
        settings.ak_handle,
        settings.azure_metadata,
    )


def attestable(settings: Settings, outside: Outside) -> Attestable:
    """What this guest attests with.

    Raises:
        ConfigError: settings name no attester that exists, or an insecure one unasked.
        NoTEEError: no TEE was detected.
        InitDataMismatchError: the hardware was launched with other init data than settings have.
        EventLogError: a crash has left event log and register apart for good.
    """
    devices = devices_of(settings, outside)
    attester = find_attester(settings.tee, devices, insecure_sample=settings.insecure_sample)
    beside = find_device_attesters(
        settings.device_tees, devices, insecure_sample_device=settings.insecure_sample_device
    )
    for each in (attester, *beside):
        if each.insecure:
            _log.warning("INSECURE: the TEE %s proves nothing, anyone can forge it", each.tee)
    if settings.init_data is not None:
        bind_init_data(settings.init_data, attester, devices)
    if settings.event_log.enabled:
        from guest.aa.measurement import Measurer

        Measurer(attester, devices, settings.event_log).recover()
    return Attestable(attester, devices, settings.init_data, beside)


def build_agent(
    settings: Settings, outside: Outside, subject: Attestable | None = None
) -> AttestationAgent:
    """The Attestation Agent, with a source for each server that settings name.

    Args:
        settings: of the guest.
        outside: what it meets.
        subject: what it attests with; found here when ``None``.

    Raises:
        ConfigError, NoTEEError: as ``attestable``.
    """
    subject = subject or attestable(settings, outside)
    sources: dict[str, TokenSource] = {}
    service = settings.attestation_service
    if service is not None:
        as_client = ASClient(transport_to(service, settings, outside))
        no_nonce = settings.insecure_no_nonce
        sources[AS_TOKEN] = ASTokenSource(as_client, subject, service.tee_key_algorithm, no_nonce)
    service = settings.key_broker
    if service is not None:
        kbs_client = KBSClient(transport_to(service, settings, outside))
        sources[KBS_TOKEN] = KBSTokenSource(kbs_client, subject, service.tee_key_algorithm)
    return AttestationAgent(sources, outside.clock)


def build_operations(settings: Settings, outside: Outside) -> AgentOperations:
    """What stock guests ask their Attestation Agent.

    Raises:
        ConfigError, NoTEEError: as ``attestable``.
    """
    from guest.aa.operations import AgentOperations

    subject = attestable(settings, outside)
    return AgentOperations(
        build_agent(settings, outside, subject), subject, build_measurer(settings, subject)
    )


def build_measurer(settings: Settings, subject: Attestable) -> Measurer:
    """What extends registers."""
    from guest.aa.measurement import Measurer

    return Measurer(subject.attester, subject.devices, settings.event_log)


def build_hub(settings: Settings, agent: AttestationAgent, outside: Outside) -> Hub:
    """The Confidential Data Hub.

    Raises:
        ConfigError: the model of the settings needs a server that they do not name.
    """
    passport = settings.model == PASSPORT
    service = settings.resources
    if service is None:
        raise ConfigError(["token_configs.kbs.url: needed to fetch resources"])
    if passport and settings.attestation_service is None:
        raise ConfigError(["token_configs.coco_as.url: the passport model needs it"])
    client = KBSClient(transport_to(service, settings, outside))
    return Hub(agent, client, AS_TOKEN if passport else KBS_TOKEN)


def lazy_fetch(settings: Settings, outside: Outside) -> ResourceFetcher:
    """A way to resources that attests when the first is asked for, and not before."""

    @cache
    def hub() -> Hub:
        return build_hub(settings, build_agent(settings, outside), outside)

    return lambda uri: hub().get_resource(uri)


def build_unsealer(settings: Settings, fetch: ResourceFetcher) -> Unsealer:
    """What opens sealed secrets, with the keys that settings believe.

    Args:
        settings: of the guest.
        fetch: brings resources.
    """
    believed, services = settings.sealed_secrets, opener(settings.kms, fetch)
    if believed.insecure_skip_verification:
        return Unsealer(fetch, None, services)
    keys = SealingKeys(
        fetch, believed.keys_folder, believed.trusted_key_ids, believed.insecure_any_key
    )
    return Unsealer(fetch, keys, services)


def build_mounter(settings: Settings, outside: Outside, fetch: ResourceFetcher) -> Mounter:
    """What mounts volumes.

    Args:
        settings: of the guest.
        outside: its programs and disks.
        fetch: brings resources.
    """
    from guest.mounts.block_device import BlockDeviceMounter
    from guest.mounts.mounter import Mounter
    from guest.mounts.object_storage import ObjectStorageMounter
    from guest.mounts.requests import BLOCK_DEVICE, OBJECT_STORAGE

    hub, unseal = settings.hub, build_unsealer(settings, fetch).unseal_secret
    disks = BlockDeviceMounter(
        outside.programs, outside.disks, hub.volumes_folder, hub.credentials_folder, fetch, unseal
    )
    buckets = ObjectStorageMounter(outside.programs, hub.volumes_folder, unseal)
    return Mounter({BLOCK_DEVICE: disks, OBJECT_STORAGE: buckets})


@dataclass(frozen=True, slots=True)
class Parts:
    """What is served, whichever protocol carries it; made of this guest or of stock daemons.

    Attributes:
        operations: of the Attestation Agent.
        fetch: brings resources.
        unseal: opens sealed secrets.
        unwrap: answers requests of ocicrypt.
        mount: mounts volumes.
    """

    operations: rpc.AgentOperations
    fetch: ResourceFetcher = field(repr=False)
    unseal: Callable[[str], bytes] = field(repr=False)
    unwrap: Callable[[bytes], bytes] = field(repr=False)
    mount: Callable[[MountRequest], None] = field(repr=False)

    def agent(self, *, may_have_key: bool) -> Services:
        """Services of the Attestation Agent, for callers who may or may not have the TEE's key."""
        return rpc.AgentService(self.operations, callers_may_have_key=may_have_key).services()

    def hub(self, *, may_mount: bool) -> Services:
        """Services of the Confidential Data Hub, for callers who may or may not have volumes."""
        mount = self.mount if may_mount else None
        return HubService(self.fetch, self.unseal, self.unwrap, mount).services()

    def api(self, settings: Settings) -> API:
        """What containers are answered."""
        if settings.api.insecure_expose_tee_key:
            _log.warning("INSECURE: the API hands out the TEE's private key")
        return API(
            get_resource=self.fetch,
            operations=self.operations,
            version=version("vouchgate-guest"),
            features=settings.api.features,
            insecure_expose_tee_key=settings.api.insecure_expose_tee_key,
        )


def build_parts(settings: Settings, outside: Outside) -> Parts:
    """What is served, made of this guest, or of the stock daemons that settings name instead.

    Raises:
        ConfigError, NoTEEError: as ``build_agent`` and ``build_hub``.
    """
    agent_socket, hub_socket = settings.peers.agent_socket, settings.peers.hub_socket
    if agent_socket is None:
        own = build_operations(settings, outside)
        operations: rpc.AgentOperations = own
        tokens = own.tokens
    else:
        peer = PeerAgent(TTRPCClient(agent_socket))
        operations = peer
        tokens = AttestationAgent({KBS_TOKEN: PeerTokenSource(peer)}, outside.clock)
    if hub_socket is not None:
        hub = PeerHub(TTRPCClient(hub_socket))
        fetch = SharedFetch(hub.get_resource)
        return Parts(operations, fetch, hub.unseal_secret, hub.unwrap_key, hub.mount)
    fetch = SharedFetch(build_hub(settings, tokens, outside).get_resource)
    unsealer = build_unsealer(settings, fetch)
    return Parts(
        operations,
        fetch,
        unsealer.unseal_secret,
        lambda request: unwrap_key(request, fetch, opener(settings.kms, fetch)),
        lambda request: build_mounter(settings, outside, fetch).mount(request),
    )


def transport_to(service: ServiceSettings, settings: Settings, outside: Outside) -> Transport:
    """The way to a server, with the patience that settings have."""
    return Transport(
        service,
        outside.clock,
        timeout=settings.timeout_seconds,
        wait=settings.wait_seconds,
    )
