"""Init data composed from what is known of this server: addresses, authorities, an agent policy."""

from __future__ import annotations

import json
from dataclasses import dataclass

from cryptography import x509

from app.console.inspection.init_data import KATA_VERSION, InitDataReport, inspect_init_data
from app.trust.errors import MalformedInitDataError
from guest.wire.digests import HASH_ALGORITHMS
from guest.wire.errors import WireError
from guest.wire.resource_uri import ResourceURI

_MAX_URL = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class InitDataDraft:
    """What goes into a document.

    Attributes:
        kbs_url: where the guest asks for resources.
        as_url: where it asks for tokens in the passport model; ``""`` without.
        certificate: PEM that both addresses are checked against; ``""`` for the image's roots.
        algorithm: of the digest.
        image_policy_uri: ``kbs:///…`` of the image security policy; ``""`` without.
        registry_credentials_uri: ``kbs:///…`` of the registry's credentials; ``""`` without.
        agent_policy: Rego of kata's agent; ``""`` without.
    """

    kbs_url: str
    as_url: str = ""
    certificate: str = ""
    algorithm: str = "sha256"
    image_policy_uri: str = ""
    registry_credentials_uri: str = ""
    agent_policy: str = ""


def compose(draft: InitDataDraft) -> InitDataReport:
    """The document, taken apart again: what is shown is what agents will read.

    Raises:
        MalformedInitDataError: an address, a URI, a certificate or an algorithm that cannot be.
    """
    _check(draft)
    files = {"aa.toml": _aa(draft), "cdh.toml": _cdh(draft)}
    if draft.agent_policy:
        files["policy.rego"] = draft.agent_policy.replace("\r\n", "\n")
    lines = [
        f"version = {_basic(KATA_VERSION)}",
        f"algorithm = {_basic(draft.algorithm)}",
        "",
        "[data]",
        *(f"{_basic(name)} = {_text(content)}" for name, content in files.items()),
    ]
    return inspect_init_data("\n".join(lines) + "\n")


def _check(draft: InitDataDraft) -> None:
    for name in ("kbs_url", "as_url"):
        url = getattr(draft, name)
        if (url or name == "kbs_url") and not _is_address(url):
            raise MalformedInitDataError(f"{name} is an http(s) address")
    for name in ("image_policy_uri", "registry_credentials_uri"):
        uri = getattr(draft, name)
        try:
            _ = ResourceURI.parse(uri) if uri else None
        except WireError as error:
            raise MalformedInitDataError(f"{name}: {error}") from error
    if draft.algorithm not in HASH_ALGORITHMS:
        raise MalformedInitDataError(f"the algorithm is one of {', '.join(HASH_ALGORITHMS)}")
    if draft.certificate:
        try:
            x509.load_pem_x509_certificates(draft.certificate.encode())
        except ValueError as error:
            raise MalformedInitDataError("the certificate is no PEM certificate") from error


def _is_address(url: str) -> bool:
    return (
        url.startswith(("https://", "http://"))
        and len(url) <= _MAX_URL
        and url.isprintable()
        and " " not in url
    )


def _aa(draft: InitDataDraft) -> str:
    lines = ["[token_configs.kbs]", f"url = {_basic(draft.kbs_url)}"]
    if draft.certificate:
        lines.append(f"cert = {_text(_pem(draft))}")
    if draft.as_url:
        lines += ["", "[token_configs.coco_as]", f"url = {_basic(draft.as_url)}"]
    return "\n".join(lines) + "\n"


def _cdh(draft: InitDataDraft) -> str:
    lines = ["[kbc]", 'name = "cc_kbc"', f"url = {_basic(draft.kbs_url)}"]
    if draft.certificate:
        lines.append(f"kbs_cert = {_text(_pem(draft))}")
    image = {
        "image_security_policy_uri": draft.image_policy_uri,
        "authenticated_registry_credentials_uri": draft.registry_credentials_uri,
    }
    written = [f"{name} = {_basic(uri)}" for name, uri in image.items() if uri]
    if written:
        lines += ["", "[image]", *written]
    return "\n".join(lines) + "\n"


def _pem(draft: InitDataDraft) -> str:
    return draft.certificate.replace("\r\n", "\n").strip() + "\n"


def _basic(text: str) -> str:
    """A basic string; JSON's escapes are TOML's."""
    return json.dumps(text)


def _text(content: str) -> str:
    """A text of several lines, as people like to read it, where it can be written so."""
    for quotes in ("'''", '"""'):
        plain = quotes not in content and not content.endswith(quotes[0])
        if plain and (quotes == "'''" or "\\" not in content) and _is_plain(content):
            return f"{quotes}\n{content}{quotes}"
    return _basic(content)


def _is_plain(content: str) -> bool:
    return all(each.isprintable() or each in "\n\t" for each in content)
