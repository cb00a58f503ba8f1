"""A simulated Intel: a root of its own, PCK authorities, and signed collateral under it.

What it signs has the form of the real thing, so everything but the root is exercised as in
production: pass ``roots`` to a verifier, or ``root_pem`` as ``insecure_extra_roots``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.attestation.collateral.ports import Collateral
from app.lab.intel_certificates import (
    CRL_URL,
    SGX_COMPONENTS,
    Identity,
    Platform,
    Subject,
    authority_key,
    issue,
    sgx_extension,
)
from app.trust.errors import CollateralUnavailableError

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
PUBLISHED_AT = NOON - timedelta(days=10)
NEXT_UPDATE = NOON + timedelta(days=20)

ROOT_NAME = "Intel SGX Root CA"
AUTHORITY_NAMES = {
    "platform": "Intel SGX PCK Platform CA",
    "processor": "Intel SGX PCK Processor CA",
}
SIGNER_NAME = "Intel SGX TCB Signing"
# The security versions of the simulated TDX module, and of the level that is up to date.
TDX_COMPONENTS = (5, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
QE_SIGNER = bytes.fromhex("dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5")
QE_SVN = 4
QE_PROD_IDS = {"TD_QE": 2, "QE": 1}

_DATE = "%Y-%m-%dT%H:%M:%SZ"


@dataclass
class Publication:
    """Collateral by name, as a service would answer; tests replace what they want wrong.

    It fits the port ``CollateralSource`` and counts what it is asked for.
    """

    documents: dict[str, tuple[bytes, dict[str, str]]]
    asked: list[str] = field(default_factory=list)

    def get(self, name: str) -> Collateral:
        """The document of this name."""
        self.asked.append(name)
        if name not in self.documents:
            raise CollateralUnavailableError(f"no source has {name} (asked: simulated)")
        body, headers = self.documents[name]
        return Collateral(name, body, headers, PUBLISHED_AT, "simulated")

    def replaced(self, name: str, body: bytes | None = None, **headers: str) -> Publication:
        """The same publication with another body, or other headers (``_`` stands for ``-``)."""
        old_body, old_headers = self.documents[name]
        changed = old_headers | {key.replace("_", "-"): value for key, value in headers.items()}
        return Publication(self.documents | {name: (old_body if body is None else body, changed)})

    def bundle(self) -> dict[str, Any]:
        """All of it in the form of Trustee's offline file (``collateral.intel_bundle``)."""
        texts = {
            name: json.loads(body)
            for name, (body, _) in self.documents.items()
            if body.startswith(b"{")
        }
        fmspcs = sorted({name.rsplit("/", 1)[1] for name in texts if "/tcb/" in name})
        chains = {key: value for _, held in self.documents.values() for key, value in held.items()}
        lists = {
            f"{kind}Crl": self.documents[f"intel/pckcrl/{kind}"][0].hex()
            for kind in AUTHORITY_NAMES
        }
        infos = [
            {"fmspc": fmspc}
            | {
                f"{tee}_tcbinfo": texts[name]
                for tee in ("sgx", "tdx")
                if (name := f"intel/{tee}/tcb/{fmspc}") in texts
            }
            for fmspc in fmspcs
        ]
        content = {
            "tcbinfos": infos,
            "qeidentity": texts["intel/sgx/qe-identity"],
            "tdqeidentity": texts["intel/tdx/qe-identity"],
            "pckcacrl": lists,
            "rootcacrl": self.documents["intel/rootcacrl"][0].hex(),
            "rootcacrl_cdp": CRL_URL,
            "certificates": {
                "TCB-Info-Issuer-Chain": chains["tcb-info-issuer-chain"],
                "SGX-Enclave-Identity-Issuer-Chain": chains["sgx-enclave-identity-issuer-chain"],
                "SGX-PCK-Certificate-Issuer-Chain": {
                    kind.upper(): self.documents[f"intel/pckcrl/{kind}"][1][
                        "sgx-pck-crl-issuer-chain"
                    ]
                    for kind in AUTHORITY_NAMES
                },
            },
        }
        return {"collaterals": content}


class SimulatedIntel:
    """Root, authorities, a TCB signer, and everything they publish."""

    def __init__(
        self,
        *,
        published_at: datetime = PUBLISHED_AT,
        keys: Mapping[str, ec.EllipticCurvePrivateKey] | None = None,
    ) -> None:
        """Make all keys, and certificates that are valid from five years before.

        Args:
            published_at: the issue date of what ``publish`` gives; it serves for 30 days.
            keys: by the name that their certificates have, where they are to outlive the process.
        """
        self.published_at = published_at
        self._keys = keys or {}
        self.next_update = published_at + timedelta(days=30)
        self.root = self.issue(ROOT_NAME, None, is_authority=True)
        self.authorities = {
            kind: self.issue(name, self.root, is_authority=True)
            for kind, name in AUTHORITY_NAMES.items()
        }
        self.signer = self.issue(SIGNER_NAME, self.root)

    @property
    def root_pem(self) -> bytes:
        """The root's certificate."""
        return self.root.pem

    @property
    def roots(self) -> frozenset[str]:
        """What verifiers pin of it."""
        spki = self.root.key.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        return frozenset({hashlib.sha256(spki).hexdigest()})

    def issue(
        self,
        common_name: str,
        issuer: Identity | None,
        *,
        is_authority: bool = False,
        extension: bytes | None = None,
    ) -> Identity:
        """A certificate with a fresh key, from five years before; self-signed without an issuer."""
        subject = Subject(common_name, is_authority, extension)
        return issue(subject, issuer, self.published_at, self._keys.get(common_name))

    def certify(self, platform: Platform) -> Identity:
        """The PCK certificate of a platform."""
        authority = self.authorities[platform.authority]
        return self.issue(platform.common_name, authority, extension=sgx_extension(platform))

    def pck_chain(self, pck: Identity, authority: str = "platform") -> bytes:
        """The PEM text that quotes carry, with the NUL that Intel's library puts behind it."""
        return pck.pem + self.authorities[authority].pem + self.root.pem + b"\x00"

    def revocation_list(
        self, issuer: Identity, revoked: Sequence[int] = (), *, number: int = 1
    ) -> bytes:
        """A list of serial numbers, DER."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(issuer.certificate.subject)
            .last_update(self.published_at)
            .next_update(self.next_update)
            .add_extension(x509.CRLNumber(number), critical=False)
            .add_extension(authority_key(issuer.key), critical=False)
        )
        for serial in revoked:
            entry = x509.RevokedCertificateBuilder(serial, self.published_at)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(issuer.key, SHA256()).public_bytes(Encoding.DER)

    def signed(self, member: str, document: dict[str, Any]) -> bytes:
        """A document with the signature of the TCB signer, as the service answers."""
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
        signature = json.dumps(self.signer.sign(text).hex()).encode()
        return b'{"%s":%s,"signature":%s}' % (member.encode(), text, signature)

    def tcb_info(self, tee: str, platform: Platform, **changes: Any) -> dict[str, Any]:
        """A TCB info with an up-to-date level, an outdated one, and two TDX modules."""
        is_tdx = tee == "tdx"
        old = (0,) * 16
        document = {
            "id": tee.upper(),
            "version": 3,
            **self.dates(),
            "fmspc": platform.fmspc.hex().upper(),
            "pceId": platform.pce_id.hex(),
            "tcbType": 0,
            "tcbEvaluationDataNumber": 17,
            "tcbLevels": [
                tcb_level(SGX_COMPONENTS, TDX_COMPONENTS if is_tdx else None, "UpToDate"),
                tcb_level(old, old if is_tdx else None, "OutOfDate", advisories=["INTEL-SA-00001"]),
            ],
        }
        if is_tdx:
            module = {
                "mrsigner": "00" * 48,
                "attributes": "00" * 8,
                "attributesMask": "FF" * 8,
            }
            document["tdxModule"] = module
            document["tdxModuleIdentities"] = [
                {"id": f"TDX_0{version}", **module, "tcbLevels": module_levels(version)}
                for version in (1, 3)
            ]
        return document | changes

    def enclave_identity(self, enclave_id: str, **changes: Any) -> dict[str, Any]:
        """The identity of the simulated quoting enclave."""
        document = {
            "id": enclave_id,
            "version": 2,
            **self.dates(),
            "tcbEvaluationDataNumber": 17,
            "miscselect": "00000000",
            "miscselectMask": "FFFFFFFF",
            "attributes": "11000000000000000000000000000000",
            "attributesMask": "FBFFFFFFFFFFFFFF0000000000000000",
            "mrsigner": QE_SIGNER.hex().upper(),
            "isvprodid": QE_PROD_IDS[enclave_id],
            "tcbLevels": [
                {
                    "tcb": {"isvsvn": QE_SVN},
                    "tcbDate": "2024-03-13T00:00:00Z",
                    "tcbStatus": "UpToDate",
                },
                {
                    "tcb": {"isvsvn": 1},
                    "tcbDate": "2023-01-01T00:00:00Z",
                    "tcbStatus": "OutOfDate",
                    "advisoryIDs": ["INTEL-SA-00002"],
                },
            ],
        }
        return document | changes

    def publish(
        self,
        platform: Platform,
        *,
        tcb_info: dict[str, Any] | None = None,
        identity: dict[str, Any] | None = None,
        revoked: Sequence[int] = (),
        revoked_authorities: Sequence[int] = (),
    ) -> Publication:
        """Everything about a platform, in both TEEs.

        Args:
            platform: whose FMSPC the TCB infos have.
            tcb_info: members that are changed in both TCB infos.
            identity: members that are changed in both enclave identities.
            revoked: serial numbers of PCK certificates.
            revoked_authorities: serial numbers that the root revoked.
        """
        documents: dict[str, tuple[bytes, dict[str, str]]] = {
            "intel/rootcacrl": (self.revocation_list(self.root, revoked_authorities), {})
        }
        for kind, authority in self.authorities.items():
            chain = {"sgx-pck-crl-issuer-chain": self.quoted_chain(authority)}
            documents[f"intel/pckcrl/{kind}"] = self.revocation_list(authority, revoked), chain
        signer = self.quoted_chain(self.signer)
        for tee, enclave_id in (("sgx", "QE"), ("tdx", "TD_QE")):
            info = self.signed("tcbInfo", self.tcb_info(tee, platform, **(tcb_info or {})))
            documents[f"intel/{tee}/tcb/{platform.fmspc.hex()}"] = (
                info,
                {"tcb-info-issuer-chain": signer},
            )
            documents[f"intel/{tee}/qe-identity"] = (
                self.signed(
                    "enclaveIdentity", self.enclave_identity(enclave_id, **(identity or {}))
                ),
                {"sgx-enclave-identity-issuer-chain": signer},
            )
        return Publication(documents)

    def quoted_chain(self, leaf: Identity) -> str:
        """A chain of two as response headers have it."""
        return quote((leaf.pem + self.root.pem).decode())

    def dates(self) -> dict[str, str]:
        """The members that say when a document was issued, and until when it serves."""
        return {
            "issueDate": self.published_at.strftime(_DATE),
            "nextUpdate": self.next_update.strftime(_DATE),
        }


def tcb_level(
    sgx: Sequence[int],
    tdx: Sequence[int] | None,
    status: str,
    *,
    pce_svn: int = 5,
    date: str = "2024-03-13T00:00:00Z",
    advisories: Sequence[str] = (),
) -> dict[str, Any]:
    """One level of a TCB info."""
    tcb: dict[str, Any] = {
        "sgxtcbcomponents": [{"svn": svn} for svn in sgx],
        "pcesvn": pce_svn,
    }
    if tdx is not None:
        tcb["tdxtcbcomponents"] = [{"svn": svn} for svn in tdx]
    level = {"tcb": tcb, "tcbDate": date, "tcbStatus": status}
    return level | ({"advisoryIDs": list(advisories)} if advisories else {})


def module_levels(version: int) -> list[dict[str, Any]]:
    """Levels of a TDX module: up to date from version 5 on, outdated from 2 on."""
    return [
        {"tcb": {"isvsvn": 5}, "tcbDate": "2024-03-13T00:00:00Z", "tcbStatus": "UpToDate"},
        {
            "tcb": {"isvsvn": 2},
            "tcbDate": "2023-08-09T00:00:00Z",
            "tcbStatus": "OutOfDate",
            "advisoryIDs": [f"INTEL-SA-0100{version}"],
        },
    ]
