"""Settings of key management services: how a guest reaches them, and where their credentials lie.

Whoever seals says which key is meant. Where the guest connects to, whom it believes there and which
file it reads are never theirs to choose, so that no sealed secret sends credentials astray.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from guest.sections import Section
from guest.server_settings import check_url, root_certificates
from guest.wire.json_types import JSONObject

# Where upstream's Confidential Data Hub has them: a folder for each provider (guest.md, 7.5).
DEFAULT_CREDENTIALS_FOLDER = Path("/run/confidential-containers/cdh/kbs/kms-credential")
DEFAULT_TIMEOUT_SECONDS = 20.0

# What upstream's drivers read, where settings say nothing.
FOLDER_VARIABLES = {"aliyun": "ALIYUN_IN_GUEST_KEY_PATH", "aws": "AWS_IN_GUEST_KEY_PATH"}

# A name, or an address; of version 6 in brackets.
_HOST = r"[A-Za-z0-9.-]{1,253}|\[[0-9a-fA-F:.]{2,45}\]"

# Those of which somebody else gives out tokens or credentials.
_WITH_AUTHORITY = ("aliyun", "azure")
_SERVICES = ("aliyun", "aws", "azure", "gcp", "vault")


@dataclass(frozen=True, slots=True)
class KMSAccess:
    """How one provider is reached.

    Attributes:
        folder: of its credentials.
        endpoint: URL to ask instead of the provider's own, without a trailing slash; of KMIP, the
            server as ``host:port``.
        root_certificates: PEM of the only roots that are believed; ``None`` for the system's.
        authority: URL that gives out tokens or credentials instead of the provider's own.
        module: library of a token (PKCS#11).
        timeout_seconds: of one exchange.
    """

    folder: Path
    endpoint: str | None = None
    root_certificates: str | None = field(default=None, repr=False)
    authority: str | None = None
    module: Path | None = None
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS


@dataclass(frozen=True, slots=True)
class KMSSettings:
    """How providers are reached.

    Attributes:
        folder: in which each provider has a folder of credentials.
        timeout_seconds: of one exchange.
        configured: by provider, for those of which settings say more.
    """

    folder: Path = DEFAULT_CREDENTIALS_FOLDER
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    configured: Mapping[str, KMSAccess] = field(default_factory=dict)

    def access(self, provider: str) -> KMSAccess:
        """How a provider is reached."""
        if provider in self.configured:
            return self.configured[provider]
        return KMSAccess(self.folder / provider, timeout_seconds=self.timeout_seconds)


def parse_kms(section: Section | None) -> KMSSettings:
    """The table ``kms``."""
    if section is None:
        return KMSSettings()
    folder = Path(section.text("credentials_folder") or DEFAULT_CREDENTIALS_FOLDER)
    timeout = section.seconds("timeout_seconds", DEFAULT_TIMEOUT_SECONDS, 600.0)
    configured = {}
    for provider in (*_SERVICES, "kmip", "pkcs11"):
        table = section.section(provider)
        if table is not None:
            configured[provider] = _access(table, provider, folder, timeout)
    section.close()
    return KMSSettings(folder, timeout, configured)


def kms_variables(variables: Mapping[str, str]) -> JSONObject:
    """What upstream's drivers read from the environment, in the shape of settings."""
    found = {
        provider: {"credentials_folder": variables[name]}
        for provider, name in FOLDER_VARIABLES.items()
        if variables.get(name)
    }
    return {"kms": found} if found else {}


def _access(section: Section, provider: str, folder: Path, timeout: float) -> KMSAccess:
    own = Path(section.text("credentials_folder") or folder / provider)
    if provider == "kmip":
        access = KMSAccess(
            own,
            endpoint=_host_and_port(section, "endpoint"),
            root_certificates=root_certificates(section, "cert"),
            timeout_seconds=timeout,
        )
        section.close()
        return access
    if provider == "pkcs11":
        module = section.text("module")
        section.close()
        return KMSAccess(own, module=Path(module) if module else None, timeout_seconds=timeout)
    access = KMSAccess(
        own,
        endpoint=_url(section, "endpoint"),
        root_certificates=root_certificates(section, "cert"),
        authority=_url(section, "authority") if provider in _WITH_AUTHORITY else None,
        timeout_seconds=timeout,
    )
    section.close()
    return access


def _url(section: Section, key: str) -> str | None:
    url = section.text(key)
    if url is None:
        return None
    check_url(section, key, url)
    return url.rstrip("/")


def _host_and_port(section: Section, key: str) -> str | None:
    text = section.text(key)
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    fits = port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536
    if not fits or re.fullmatch(_HOST, host) is None:
        section.fault(key, "must read host:port")
        return None
    return text
