"""What a guest needs to find this server: configuration of AA and CDH, init data, the authority.

The keys are those of Confidential Containers' guest components (guest.md, sections 2.2, 2.5 and
7.1), which our own guest reads too.
"""

from __future__ import annotations

from dataclasses import dataclass

INIT_DATA_ALGORITHM = "sha384"


@dataclass(frozen=True, slots=True)
class GuestAddresses:
    """Where guests find this server.

    Attributes:
        as_url: base address of the AS; ``None`` when this server is none.
        kbs_url: base address of the KBS; ``None`` when this server is none.
        authority: PEM of the certificate that the server's chain leads to; ``None`` without TLS,
            or when the server was not given it.
    """

    as_url: str | None
    kbs_url: str | None
    authority: str | None


@dataclass(frozen=True, slots=True)
class GuestSnippets:
    """Files for a guest, as text.

    Attributes:
        aa: configuration of the Attestation Agent, TOML.
        cdh: configuration of the Confidential Data Hub, TOML; empty without a KBS.
        init_data: both as the init-data document that the host hands over, TOML.
        authority: PEM, or nothing.
    """

    aa: str
    cdh: str
    init_data: str
    authority: str


def guest_snippets(addresses: GuestAddresses) -> GuestSnippets:
    """The files for a guest of this server."""
    services = (("coco_as", addresses.as_url), ("kbs", addresses.kbs_url))
    aa = "\n".join(
        f"[token_configs.{name}]\nurl = {_text(url)}\n{_certificate('cert', addresses)}"
        for name, url in services
        if url is not None
    )
    cdh = ""
    if addresses.kbs_url is not None:
        url = _text(addresses.kbs_url)
        cdh = f'[kbc]\nname = "cc_kbc"\nurl = {url}\n{_certificate("kbs_cert", addresses)}'
    files = {"aa.toml": aa, "cdh.toml": cdh}
    entries = "".join(f"\"{name}\" = '''\n{text}'''\n" for name, text in files.items() if text)
    init_data = f'version = "0.1.0"\nalgorithm = "{INIT_DATA_ALGORITHM}"\n\n[data]\n{entries}'
    return GuestSnippets(aa, cdh, init_data, addresses.authority or "")


def _certificate(key: str, addresses: GuestAddresses) -> str:
    return f'{key} = """\n{addresses.authority}"""\n' if addresses.authority else ""


def _text(value: str) -> str:
    """A basic string of TOML; addresses were checked to be without control characters."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
