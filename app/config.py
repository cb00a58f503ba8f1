"""Reading settings: one TOML file, then environment variables; checked whole, then frozen."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from app.settings import (
    AdminSettings,
    AttestationSettings,
    BrokerSettings,
    ConsoleSettings,
    IssuerSettings,
    RVPSSettings,
    SealingSettings,
    ServerSettings,
    Settings,
    is_loopback,
)
from app.trust.errors import ConfigError

ENVIRONMENT_PREFIX = "VOUCHGATE_"
CONFIG_VARIABLE = "VOUCHGATE_CONFIG"
# What an origin is called when the table that was parsed came from no file.
WRITTEN = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSettings(Settings):
    """Settings that also know where each value was written.

    Attributes:
        origins: by path, such as ``server.workers`` or ``broker.issuers[0].name``: the file, or the
            environment variable, that it came from. What is not there is a default.
    """

    origins: Mapping[str, str] = field(default_factory=dict, repr=False)


def load_settings(path: Path | None = None) -> ReadSettings:
    """Read, check and freeze the settings.

    Args:
        path: the TOML file; ``None`` takes the one that ``VOUCHGATE_CONFIG`` names.

    Raises:
        ConfigError: listing every fault.
    """
    if path is None:
        named = os.environ.get(CONFIG_VARIABLE)
        if not named:
            raise ConfigError([f"no settings: name a TOML file in {CONFIG_VARIABLE}"])
        path = Path(named)
    return parse_settings(_read(path), dict(os.environ), source=str(path))


def parse_settings(
    table: dict[str, Any], environment: dict[str, str], *, source: str = WRITTEN
) -> ReadSettings:
    """Settings from a parsed TOML table, overridden by environment variables.

    ``VOUCHGATE_SERVER__WORKERS=4`` overrides ``server.workers``. Only single values can be
    overridden, not lists of tables.

    Args:
        table: as TOML gives it.
        environment: the environment variables.
        source: what the table came from, for the origins.

    Raises:
        ConfigError: listing every fault.
    """
    overrides = _overrides(environment)
    merged = _override(table, overrides)
    try:
        settings = TypeAdapter(Settings).validate_python(merged)
    except ValidationError as error:
        faults = [_fault(entry) for entry in error.errors()]
        raise ConfigError(faults + list(_contradictions_of_parts(merged))) from error
    faults = list(_contradictions(settings))
    if faults:
        raise ConfigError(faults)
    origins = dict.fromkeys(_paths(table), source)
    origins |= {f"{part}.{name}": variable for (part, name), (variable, _) in overrides.items()}
    values = {each.name: getattr(settings, each.name) for each in fields(settings)}
    return ReadSettings(**values, origins=origins)


def read_key_encryption_keys(settings: SealingSettings) -> list[bytes]:
    """The raw 32-byte keys, in the order of the settings.

    Raises:
        ConfigError: a key cannot be read or is not 64 hex digits; the message never shows it.
    """
    keys, faults = [], []
    for number, source in enumerate(settings.keys, 1):
        try:
            key = bytes.fromhex(_key_text(source).strip())
        except (OSError, ValueError, KeyError):
            key = b""
        if len(key) == 32:
            keys.append(key)
        else:
            # A key that was written down itself, by mistake, must not be told again.
            told = source if source.startswith(("file:", "env:")) else f"entry {number}"
            faults.append(f"sealing.keys: {told} does not hold 64 hex digits")
    if faults:
        raise ConfigError(faults)
    return keys


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path}: {error}"]) from error


def _overrides(environment: dict[str, str]) -> dict[tuple[str, str], tuple[str, str]]:
    """Section and name to the variable that overrides them, and its value."""
    found = {}
    for variable, value in sorted(environment.items()):
        if variable.startswith(ENVIRONMENT_PREFIX) and "__" in variable:
            part, _, name = variable.removeprefix(ENVIRONMENT_PREFIX).lower().partition("__")
            found[part, name] = (variable, value)
    return found


def _override(
    table: dict[str, Any], overrides: Mapping[tuple[str, str], tuple[str, str]]
) -> dict[str, Any]:
    merged = {name: dict(part) if isinstance(part, dict) else part for name, part in table.items()}
    for (part, name), (_, value) in overrides.items():
        section = merged.setdefault(part, {})
        if isinstance(section, dict):
            section[name] = value
    return merged


def _paths(value: Any, prefix: str = "") -> Iterator[str]:  # noqa: ANN401  (what TOML holds)
    """The path of everything that a table says, of tables and lists themselves too."""
    if prefix:
        yield prefix
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _paths(member, f"{prefix}.{name}" if prefix else name)
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _paths(member, f"{prefix}[{index}]")


def _fault(entry: Any) -> str:  # noqa: ANN401  (pydantic's error entry)
    where = ".".join(str(part) for part in entry["loc"])
    if entry["type"] == "unexpected_keyword_argument":
        return f"{where}: there is no such setting"
    return f"{where}: {entry['msg'][0].lower()}{entry['msg'][1:]}"


def _contradictions(settings: Settings) -> Iterator[str]:
    for name, (_, check) in _PARTS.items():
        yield from check(getattr(settings, name))
    if settings.server.console_bind and "console" not in settings.roles:
        yield "server.console_bind: a process without the role console has no console"
    if "kbs" in settings.roles and "as" not in settings.roles and not (settings.broker.issuers):
        yield "broker.issuers: a KBS without the as role needs at least one issuer to trust"


def _contradictions_of_parts(table: dict[str, Any]) -> Iterator[str]:
    """The faults of those parts that parse, so that one bad part does not hide another's."""
    for name, (part, check) in _PARTS.items():
        try:
            settings: object = TypeAdapter(part).validate_python(table.get(name, {}))
        except ValidationError:
            continue
        yield from check(settings)


def _listening_faults(server: ServerSettings) -> Iterator[str]:
    if (server.tls_certificate is None) != (server.tls_private_key is None):
        yield "server: tls_certificate and tls_private_key go together"
    for name in ("tls_certificate", "tls_private_key"):
        path = getattr(server, name)
        if path is not None and not path.is_file():
            yield f"server.{name}: {path} is no file"
    for address in server.bind:
        yield from _address_faults("server.bind", address, server)
    for address in server.console_bind:
        yield from _address_faults("server.console_bind", address, server)
        if address in server.bind:
            yield f"server.console_bind: {address} is in server.bind too, where guests come in"


def _address_faults(where: str, address: str, server: ServerSettings) -> Iterator[str]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 <= int(port) <= 65535:
        yield f"{where}: {address!r} is not address:port"
    elif not (is_loopback(host) or server.tls_certificate or server.insecure_http):
        yield (
            f"{where}: {address} is reachable from other machines; give tls_certificate and "
            "tls_private_key"
        )


def _console_faults(console: ConsoleSettings) -> Iterator[str]:
    if console.oidc is not None:
        yield from _url_faults("console.oidc.issuer", console.oidc.issuer)
        if "openid" not in console.oidc.scopes:
            yield "console.oidc.scopes: without openid there is no ID token"


def _verifier_faults(attestation: AttestationSettings) -> Iterator[str]:
    if "sample" in attestation.verifiers and not attestation.insecure_allow_sample:
        yield (
            "attestation.verifiers: anyone can forge sample evidence; it needs "
            "insecure_allow_sample = true"
        )


def _broker_faults(broker: BrokerSettings) -> Iterator[str]:
    names = [issuer.name for issuer in broker.issuers]
    if len(set(names)) != len(names):
        yield "broker.issuers: two issuers have the same name"
    for issuer in broker.issuers:
        yield from _issuer_faults(issuer, allows_http=broker.insecure_http_issuers)
    if broker.remote_appraiser is not None:
        yield from _url_faults("broker.remote_appraiser.url", broker.remote_appraiser.url)


def _admin_faults(admin: AdminSettings) -> Iterator[str]:
    for provider in admin.identity_providers:
        if (provider.public_key_file is None) == (provider.jwks_file is None):
            yield (
                f"admin.identity_providers.{provider.name}: name exactly one of public_key_file "
                "and jwks_file"
            )


def _signer_faults(rvps: RVPSSettings) -> Iterator[str]:
    for name, signer in rvps.signers.items():
        if (signer.public_key_file is None) == (signer.ca_file is None):
            yield f"rvps.signers.{name}: name exactly one of public_key_file and ca_file"


def _issuer_faults(issuer: IssuerSettings, *, allows_http: bool) -> Iterator[str]:
    where = f"broker.issuers.{issuer.name}"
    sources = (issuer.jwks_url, issuer.jwks_file, issuer.ca_files or None)
    if sum(source is not None for source in sources) != 1:
        yield f"{where}: name exactly one of jwks_url, jwks_file and ca_files"
    if issuer.jwks_url is not None:
        yield from _url_faults(f"{where}.jwks_url", issuer.jwks_url, allows_http=allows_http)
    if any(algorithm.startswith("HS") or algorithm == "none" for algorithm in issuer.algorithms):
        yield f"{where}.algorithms: only signatures with a public key can vouch"


def _url_faults(where: str, url: str, *, allows_http: bool = False) -> Iterator[str]:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        yield f"{where}: {url!r} is not an http(s) address"
    elif parts.scheme == "http" and not (allows_http or is_loopback(parts.hostname)):
        yield f"{where}: plain http is for loopback only"


def _key_text(source: str) -> str:
    kind, _, name = source.partition(":")
    if kind == "file":
        return Path(name).read_text(encoding="ascii")
    if kind == "env":
        return os.environ[name]
    raise ValueError(kind)


# What is checked beyond types, a part at a time.
_PARTS: dict[str, tuple[type, Callable[[Any], Iterator[str]]]] = {
    "server": (ServerSettings, _listening_faults),
    "attestation": (AttestationSettings, _verifier_faults),
    "broker": (BrokerSettings, _broker_faults),
    "rvps": (RVPSSettings, _signer_faults),
    "admin": (AdminSettings, _admin_faults),
    "console": (ConsoleSettings, _console_faults),
}
