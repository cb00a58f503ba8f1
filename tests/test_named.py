"""What the settings name: every file that cannot be used is a fault that names its setting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from message_signing import certificate, pem
from servers import make_settings

from app.named.checking import check_named
from app.named.reference_values import open_message_signers
from app.settings import MessageSignerSettings, RVPSSettings
from app.trust.errors import ConfigError

ISSUER = {"name": "remote", "issuer": "https://as.example"}
OIDC = {
    "issuer": "https://sso.example",
    "client_id": "console",
    "roles": [{"value": "staff", "role": "viewer"}],
}
AMD = {"verifiers": ["snp"], "insecure_allow_sample": False}

# Setting → the part of the settings that names a file there.
NAMING: dict[str, Callable[[str], dict[str, Any]]] = {
    "server.tls_": lambda path: {"server": {"tls_certificate": path, "tls_private_key": path}},
    "database.password_file": lambda path: {"database": {"password_file": path}},
    "attestation.insecure_extra_roots.snp": lambda path: {
        "attestation": AMD | {"insecure_extra_roots": {"snp": path}}
    },
    "attestation.insecure_trust_lab": lambda path: {
        "attestation": AMD | {"insecure_trust_lab": path}
    },
    "collateral.intel_bundle": lambda path: {"collateral": {"intel_bundle": path}},
    "collateral.bundle_key": lambda path: {
        "collateral": {"bundle_key": path, "bundle_signer": "us"}
    },
    "collateral.bundle_signers.them": lambda path: {
        "collateral": {"bundle_signers": {"them": path}}
    },
    "rvps.signers.ci: public_key_file": lambda path: {
        "rvps": {"signers": {"ci": {"public_key_file": path, "name_prefixes": ["a"]}}}
    },
    "rvps.signers.ci: ca_file": lambda path: {
        "rvps": {"signers": {"ci": {"ca_file": path, "name_prefixes": ["a"]}}}
    },
    "broker.issuers.remote": lambda path: {"broker": {"issuers": [ISSUER | {"jwks_file": path}]}},
    "broker.issuers.remote: ": lambda path: {
        "broker": {"issuers": [ISSUER | {"ca_files": [path]}]}
    },
    "broker.remote_appraiser": lambda path: {
        "broker": {"remote_appraiser": {"url": "https://as.example", "ca_file": path}}
    },
    "admin.identity_providers.idp": lambda path: {
        "admin": {"identity_providers": [{"name": "idp", "public_key_file": path}]}
    },
    "admin.identity_providers.idp: ": lambda path: {
        "admin": {"identity_providers": [{"name": "idp", "jwks_file": path}]}
    },
    "console.oidc.client_secret_file": lambda path: {
        "console": {"oidc": OIDC | {"client_secret_file": path}}
    },
}


@pytest.mark.parametrize("kind", ["missing", "folder", "no text"])
@pytest.mark.parametrize("setting", NAMING)
def test_a_file_that_cannot_be_used_is_a_fault_of_its_setting(
    tmp_path: Path, setting: str, kind: str
) -> None:
    """Not there, a folder, or bytes that are nothing; and every other part is all right."""
    path = tmp_path / "named"
    if kind == "folder":
        path.mkdir()
    if kind == "no text":
        path.write_bytes(b"\xff\x00\xfe")
    (tmp_path / "admin-public.pem").write_text(public_pem(KEY))
    with pytest.raises(ConfigError) as caught:
        check_named(make_settings(tmp_path, **NAMING[setting](str(path))))
    assert [fault for fault in caught.value.faults if not fault.startswith(setting)] == []


def public_pem(key: Any) -> str:
    """The public half, PEM."""
    return str(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    )


KEY, ROOT_KEY = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
ROOT, LEAF = certificate("root", ROOT_KEY, authority=True), certificate("leaf", ROOT_KEY)


@dataclass
class Folder:
    """Signers named by files in a folder."""

    path: Path

    def signer(self, setting: str, content: str) -> RVPSSettings:
        """Settings with one signer, whose file holds the content."""
        file = self.path / "signer.pem"
        file.write_text(content, encoding="ascii")
        named: dict[str, Any] = {"name_prefixes": ("snp_",), setting: file}
        return RVPSSettings(signers={"ci": MessageSignerSettings(**named)})


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty one."""
    return Folder(tmp_path)


@pytest.mark.parametrize(
    "content",
    ["", "no PEM", public_pem(ROOT_KEY), pem(LEAF), pem(ROOT, LEAF)],
    ids=["empty", "text", "a key", "a leaf", "a leaf among them"],
)
def test_a_signer_without_an_authority_is_a_fault(folder: Folder, content: str) -> None:
    """A leaf would make whoever holds its key an authority; nothing of such a file is used."""
    with pytest.raises(ConfigError, match=r"rvps\.signers\.ci: ca_file: .* of authorities"):
        open_message_signers(folder.signer("ca_file", content))


@pytest.mark.parametrize(
    "content",
    [
        public_pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
        public_pem(ec.generate_private_key(ec.SECP256K1())),
        pem(ROOT),
    ],
    ids=["RSA", "another curve", "a certificate"],
)
def test_a_key_that_signs_no_messages_is_a_fault(folder: Folder, content: str) -> None:
    """Found at the start, and not when its first message comes."""
    with pytest.raises(ConfigError, match=r"rvps\.signers\.ci: public_key_file: "):
        open_message_signers(folder.signer("public_key_file", content))


def test_the_authorities_of_a_signer_are_those_of_its_file(folder: Folder) -> None:
    """All of them, and the signer's own prefixes."""
    other = certificate("other", ROOT_KEY, authority=True)
    (signer,) = open_message_signers(folder.signer("ca_file", pem(ROOT, other)))
    assert (signer.name, signer.key, signer.roots) == ("ci", None, (ROOT, other))
    assert (signer.may_name("snp_a"), signer.may_name("tdx_a")) == (True, False)
