"""Settings of the guest: one file, then flags; read once, checked whole, frozen.

Keys are those of upstream's Attestation Agent and Confidential Data Hub where they have one
(guest.md, sections 2.2 and 7.1). All faults are reported together.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from guest.devices.paths import AZURE_METADATA, DEFAULT_AK_HANDLE, DevicePaths
from guest.errors import ConfigError
from guest.hardware_settings import (
    EventLogSettings,
    parse_ak_handle,
    parse_azure_metadata,
    parse_device_paths,
    parse_event_log,
    tpm_variables,
)
from guest.hub_settings import RESOURCES_ARGUMENT, HubSettings, kernel_credentials, parse_hub
from guest.kbs.algorithms import DEFAULT_TEE_KEY_ALGORITHM, TEE_KEY_ALGORITHMS
from guest.kms_settings import KMSSettings, kms_variables, parse_kms
from guest.listening import inherited_sockets
from guest.sections import Section
from guest.server_settings import MAX_FILE_BYTES, check_url, read_text, root_certificates
from guest.serving_settings import (
    APISettings,
    PeerSettings,
    RPCSettings,
    parse_api,
    parse_peers,
    parse_rpc,
)
from guest.wire.errors import WireError
from guest.wire.init_data import parse_init_data
from guest.wire.json_types import JSONObject
from guest.wire.strict_json import parse_json_object
from guest.wire.strict_toml import parse_toml

PASSPORT = "passport"
BACKGROUND_CHECK = "background-check"
MODELS = (PASSPORT, BACKGROUND_CHECK)
LOG_LEVELS = ("debug", "info", "warning", "error")

# What upstream's guests read when they have no configuration: ``<kbc>::<KBS URL>``.
KBC_PARAMS_VARIABLE = "AA_KBC_PARAMS"
KBC_PARAMS_ARGUMENT = "agent.aa_kbc_params="
KBC_NAME = "cc_kbc"
COMMAND_LINE = Path("/proc/cmdline")

DEFAULT_KEYS_FOLDER = Path("/run/confidential-containers/cdh/sealed-secret")


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """How an Attestation Service or a Key Broker Service is reached.

    Attributes:
        url: without a trailing slash.
        root_certificates: PEM bundle of the only roots that are believed; ``None`` believes those
            of the system, which has to be asked for, or is plain HTTP on loopback.
        tee_key_algorithm: of the key pairs made for its tokens.
    """

    url: str
    root_certificates: str | None = None
    tee_key_algorithm: str = DEFAULT_TEE_KEY_ALGORITHM


@dataclass(frozen=True, slots=True)
class SealedSecretSettings:
    """Whose sealed secrets are opened.

    Attributes:
        keys_folder: of the verification keys whose id is the name of a file.
        trusted_key_ids: the only key ids that are believed; ``None`` believes the folder's.
        insecure_any_key: believe any resource that is a key.
        insecure_skip_verification: check no signature.
    """

    keys_folder: Path = DEFAULT_KEYS_FOLDER
    trusted_key_ids: frozenset[str] | None = None
    insecure_any_key: bool = False
    insecure_skip_verification: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that the operator of a guest decides.

    Attributes:
        model: ``passport`` (tokens of the AS) or ``background-check`` (tokens of the KBS).
        attestation_service: where the Attestation Agent gets AS tokens.
        key_broker: where the Attestation Agent gets KBS tokens.
        resources: the KBS from which the Confidential Data Hub fetches; often ``key_broker``.
        tee: wire name of the TEE, or ``None`` to detect it.
        insecure_sample: allow the sample TEE, whose evidence anyone can forge.
        device_tees: wire names of the devices that attest beside it, or ``None`` to detect them.
        insecure_sample_device: allow the sample device, whose evidence anyone can forge.
        insecure_no_nonce: accept an AS that issues no nonces, so that tokens prove no freshness.
        init_data: the exact text of the init-data document.
        timeout_seconds: of one exchange with a server.
        wait_seconds: how long a busy server is waited for, in all.
        log_level: of the program's log on standard error.
        devices: where the hardware is.
        sealed_secrets: whose sealed secrets are opened.
        api: how containers reach the guest.
        rpc: how programs of stock guests reach it.
        peers: stock daemons that are asked instead of doing their work here.
        inherited_sockets: descriptors of sockets that systemd opened, by name.
        event_log: runtime measurement.
        ak_handle: of the attestation key that a TPM keeps.
        azure_metadata: URL of Azure's metadata service.
        kms: how key management services are reached.
        hub: files of the Confidential Data Hub.
    """

    model: str = BACKGROUND_CHECK
    attestation_service: ServiceSettings | None = None
    key_broker: ServiceSettings | None = None
    resources: ServiceSettings | None = None
    tee: str | None = None
    insecure_sample: bool = False
    device_tees: tuple[str, ...] | None = None
    insecure_sample_device: bool = False
    insecure_no_nonce: bool = False
    init_data: str | None = None
    timeout_seconds: float = 60.0
    wait_seconds: float = 30.0
    log_level: str = "warning"
    devices: DevicePaths = field(default_factory=DevicePaths)
    sealed_secrets: SealedSecretSettings = field(default_factory=SealedSecretSettings)
    api: APISettings = field(default_factory=APISettings)
    rpc: RPCSettings = field(default_factory=RPCSettings)
    peers: PeerSettings = field(default_factory=PeerSettings)
    inherited_sockets: Mapping[str, int] = field(default_factory=dict)
    event_log: EventLogSettings = field(default_factory=EventLogSettings)
    ak_handle: int = DEFAULT_AK_HANDLE
    azure_metadata: str = AZURE_METADATA
    kms: KMSSettings = field(default_factory=KMSSettings)
    hub: HubSettings = field(default_factory=HubSettings)


def load_settings(
    file: Path | None,
    overrides: JSONObject,
    environment: Mapping[str, str] | None = None,
    command_line: Path = COMMAND_LINE,
) -> Settings:
    """The settings of a file, with flags put over them.

    Args:
        file: TOML, or JSON when its name ends in ``.json``; ``None`` for flags alone.
        overrides: tables and values in the shape of the file; each wins over the file's.
        environment: asked for ``AA_KBC_PARAMS`` when nothing else names a KBS, and for the TPM and
            folders of credentials when nothing else names them; the process's own when ``None``.
        command_line: of the kernel; when there is no file, asked for ``agent.aa_kbc_params`` if
            nothing else names a KBS, and for ``cdh.kbs_resources``.

    Raises:
        ConfigError: the file cannot be read, or the settings have faults; all are listed.
        ListenError: what systemd says of its sockets contradicts itself.
    """
    document = {} if file is None else _load_document(file)
    merged = _merge(document, overrides)
    variables = os.environ if environment is None else environment
    if "kbc" not in merged and "token_configs" not in merged:
        parameters = variables.get(KBC_PARAMS_VARIABLE)
        if parameters is None and file is None:
            parameters = _kernel_argument(command_line, KBC_PARAMS_ARGUMENT)
        merged = _merge(merged, _kbc_parameters(parameters))
    stock = tpm_variables(variables) | kms_variables(variables)
    if file is None:
        stock |= kernel_credentials(_kernel_argument(command_line, RESOURCES_ARGUMENT))
    settings = parse_settings(_merge(stock, merged))
    return replace(settings, inherited_sockets=inherited_sockets(variables, os.getpid()))


def parse_settings(document: JSONObject) -> Settings:
    """Settings from a parsed configuration.

    Raises:
        ConfigError: unknown keys, wrong values, or values that do not fit together.
    """
    faults: list[str] = []
    root = Section(document, faults)
    attestation_service, key_broker = _token_services(root.section("token_configs"))
    resources = _kbc(root.section("kbc")) or key_broker
    default_model = PASSPORT if attestation_service else BACKGROUND_CHECK
    settings = Settings(
        model=root.choice("model", MODELS) or default_model,
        attestation_service=attestation_service,
        key_broker=key_broker or resources,
        resources=resources,
        tee=root.text("tee"),
        insecure_sample=root.flag("insecure_sample"),
        device_tees=root.texts("device_tees"),
        insecure_sample_device=root.flag("insecure_sample_device"),
        insecure_no_nonce=root.flag("insecure_no_nonce"),
        init_data=_init_data(root),
        timeout_seconds=root.seconds("timeout_seconds", 60.0, 3600.0),
        wait_seconds=root.seconds("wait_seconds", 30.0, 3600.0),
        log_level=_log_level(root.section("log")),
        devices=parse_device_paths(root.section("devices")),
        sealed_secrets=_sealed_secrets(root),
        api=parse_api(root.section("api")),
        rpc=parse_rpc(root.section("rpc")),
        peers=parse_peers(root.section("peers")),
        event_log=parse_event_log(root.section("eventlog_config")),
        ak_handle=parse_ak_handle(root.section("tpm")),
        azure_metadata=parse_azure_metadata(root.section("azure")),
        kms=parse_kms(root.section("kms")),
        hub=parse_hub(root),
    )
    root.close()
    if faults:
        raise ConfigError(faults)
    return settings


def _load_document(file: Path) -> JSONObject:
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise ConfigError([f"{file}: is larger than a configuration"])
        text = file.read_text(encoding="utf-8")
        return parse_json_object(text) if file.suffix == ".json" else parse_toml(text)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError([f"{file}: {reason}"]) from error


def _merge(document: JSONObject, overrides: JSONObject) -> JSONObject:
    merged = dict(document)
    for key, value in overrides.items():
        below = merged.get(key)
        both_tables = isinstance(below, dict) and isinstance(value, dict)
        merged[key] = _merge(below, value) if both_tables else value  # type: ignore[arg-type]  # just checked
    return merged


def _kernel_argument(command_line: Path, name: str) -> str | None:
    """What stands behind the last argument of the kernel's command line that begins so."""
    try:
        words = command_line.read_text("utf-8", "replace").split()
    except OSError:
        return None
    found = [word for word in words if word.startswith(name)]
    return found[-1].removeprefix(name) if found else None


def _kbc_parameters(text: str | None) -> JSONObject:
    if not text:
        return {}
    name, _, url = text.partition("::")
    if name != KBC_NAME:
        return {}
    return {"token_configs": {"kbs": {"url": url}}}


def _token_services(
    section: Section | None,
) -> tuple[ServiceSettings | None, ServiceSettings | None]:
    if section is None:
        return None, None
    services = [_service(section.section(key), "cert") for key in ("coco_as", "kbs")]
    section.close()
    return services[0], services[1]


def _kbc(section: Section | None) -> ServiceSettings | None:
    if section is None:
        return None
    if section.text("name") not in {None, KBC_NAME}:
        section.fault("name", f"must be {KBC_NAME}, the only client there is")
    return _service(section, "kbs_cert")


def _service(section: Section | None, certificate_key: str) -> ServiceSettings | None:
    if section is None:
        return None
    url = section.text("url")
    roots = root_certificates(section, certificate_key)
    system_roots = section.flag("system_roots")
    algorithm = section.choice("tee_key_algorithm", TEE_KEY_ALGORITHMS)
    section.close()
    if url is None:
        section.fault("url", "must be there")
        return None
    check_url(section, "url", url)
    if url.startswith("https:") and (roots is None) != system_roots:
        section.fault(
            certificate_key,
            "needs the root certificates of this server, or system_roots = true, and not both",
        )
    return ServiceSettings(url.rstrip("/"), roots, algorithm or DEFAULT_TEE_KEY_ALGORITHM)


def _init_data(root: Section) -> str | None:
    path = root.text("init_data_file")
    text = None if path is None else read_text(root, "init_data_file", path)
    if text is None:
        return None
    try:
        return parse_init_data(text).text
    except WireError as error:
        root.fault("init_data_file", str(error))
        return None


def _log_level(section: Section | None) -> str:
    if section is None:
        return "warning"
    level = section.choice("level", LOG_LEVELS)
    section.close()
    return level or "warning"


def _sealed_secrets(root: Section) -> SealedSecretSettings:
    # Upstream has the flag at the root, under a name that does not say what it costs.
    skip = root.flag("insecure_skip_sealed_secret_verification")
    section = root.section("sealed_secrets")
    if section is None:
        return SealedSecretSettings(insecure_skip_verification=skip)
    folder = section.text("keys_folder")
    trusted = section.texts("trusted_key_ids")
    any_key = section.flag("insecure_any_key")
    section.close()
    if any_key and trusted is not None:
        section.fault("insecure_any_key", "cannot be together with trusted_key_ids")
    return SealedSecretSettings(
        Path(folder) if folder else DEFAULT_KEYS_FOLDER,
        None if trusted is None else frozenset(trusted),
        any_key,
        skip,
    )
