"""Reference manifests as NVIDIA's service has them, signed under a root of our own.

The text is written in canonical form by hand, so that whoever signs it shares nothing with the code
that canonicalises what it reads.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from fakes import NOON
from simulated.nvidia import FWID, Holder, Plan, issue

SWID = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd"
DSIG = "http://www.w3.org/2000/09/xmldsig#"
C14N = "http://www.w3.org/2006/12/xml-c14n11"
_SPACES = f'xmlns="{SWID}"'
_SPACES_BELOW = f'xmlns:ns0="{SWID}" xmlns:ns2="http://www.w3.org/2001/04/xmlenc#sha384"'

DRIVER, FIRMWARE = "550.1", "96.00.9f.00.01"
DRIVER_NAME = "nvidia/rim/nv_gpu_driver_gh100_550.1"
FIRMWARE_NAME = "nvidia/rim/nv_gpu_vbios_1010_0200_882_96009f0001"
# What the simulated device measures: block 1 is told of by the firmware, block 2 by the driver.
GOLDEN: dict[str, dict[int, Sequence[str]]] = {
    FIRMWARE: {0: [bytes(48).hex()]},
    DRIVER: {1: ["11" * 48, FWID.hex()]},
}


@dataclass(frozen=True)
class Parts:
    """What a manifest says; each part may be wrong.

    Attributes:
        golden: digests by index; those of a negative index are not active.
        resources: in the place of what is made of them.
        after: text that is put behind the last resource once everything is signed.
    """

    version: str = DRIVER
    golden: Mapping[int, Sequence[str]] = field(default_factory=lambda: GOLDEN[DRIVER])
    resources: str | None = None
    after: str = ""
    method: str = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384"
    transforms: Sequence[str] = (f"{DSIG}enveloped-signature", C14N)
    reference: str = 'URI=""'

    def tag(self) -> tuple[str, str]:
        """The document before and behind the place of its signature."""
        resources = "".join(_resource(*each) for each in self.golden.items())
        head = (
            f"<SoftwareIdentity {_SPACES} {_SPACES_BELOW}"
            f' corpus="false" name="GH100" version="1.0">\n'
            f'  <ns0:Entity name="NVIDIA Corporation" role="tagCreator"></ns0:Entity>\n'
            f'  <ns0:Meta colloquialVersion="{self.version}" product="GH100"></ns0:Meta>\n'
            f"  <ns0:Payload>\n{resources if self.resources is None else self.resources}"
        )
        return head, "  </ns0:Payload>\n"


@dataclass
class ManifestSigner:
    """A root, an authority and a signer, as NVIDIA has them for manifests."""

    signer_plan: Plan = field(
        default_factory=lambda: Plan(
            "RIM Signer", authority=False, not_after=NOON + timedelta(days=30)
        )
    )

    def __post_init__(self) -> None:
        self.root: Holder = issue(Plan("Simulated Manifest Root CA"))
        self.authority: Holder = issue(Plan("Simulated Reference Value CA"), self.root)
        self.signer: Holder = issue(self.signer_plan, self.authority)

    def manifest(self, parts: Parts | None = None, chain: Sequence[Holder] | None = None) -> bytes:
        """A tag with its signature."""
        parts = parts or Parts()
        head, tail = parts.tag()
        signed = f"{head}{tail}</SoftwareIdentity>"
        digest = base64.b64encode(hashlib.sha384(signed.encode()).digest()).decode()
        transforms = "".join(_algorithm("Transform", each) for each in parts.transforms)
        info = (
            f"{_algorithm('CanonicalizationMethod', C14N)}"
            f"{_algorithm('SignatureMethod', parts.method)}"
            f"<ds:Reference {parts.reference}><ds:Transforms>{transforms}</ds:Transforms>"
            f"{_algorithm('DigestMethod', 'http://www.w3.org/2001/04/xmldsig-more#sha384')}"
            f"<ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>"
        )
        # Canonical XML of a part writes all namespaces that are in scope there.
        scope = f'{_SPACES} xmlns:ds="{DSIG}" {_SPACES_BELOW}'
        value = self.signer.sign(f"<ds:SignedInfo {scope}>{info}".encode())
        held = [self.signer, self.authority, self.root] if chain is None else chain
        certificates = "".join(
            f"<ds:X509Certificate>{base64.encodebytes(each.der).decode()}</ds:X509Certificate>"
            for each in held
        )
        return (
            f"{head}{parts.after}{tail}"
            f'<ds:Signature xmlns:ds="{DSIG}"><ds:SignedInfo>{info}'
            f"<ds:SignatureValue>{base64.b64encode(value).decode()}</ds:SignatureValue>"
            f"<ds:KeyInfo><ds:X509Data>{certificates}</ds:X509Data></ds:KeyInfo></ds:Signature>"
            "</SoftwareIdentity>"
        ).encode()

    def documents(self, **changes: Any) -> dict[str, bytes]:
        """Both manifests of the simulated device, as NVIDIA's service serves them."""
        driver = replace(Parts(), **changes)
        firmware = Parts(FIRMWARE.upper(), GOLDEN[FIRMWARE])
        return {
            DRIVER_NAME: served(self.manifest(driver)),
            FIRMWARE_NAME: served(self.manifest(firmware)),
        }


def served(manifest: bytes) -> bytes:
    """The answer of the service."""
    return json.dumps({"id": "NV_GPU", "rim": base64.b64encode(manifest).decode()}).encode()


def _resource(index: int, digests: Sequence[str]) -> str:
    active = "True" if index >= 0 else "False"
    hashes = "".join(f' ns2:Hash{number}="{each}"' for number, each in enumerate(digests))
    return (
        f'    <ns0:Resource active="{active}" alternatives="{len(digests)}" index="{abs(index)}"'
        f' name="Measurement_{abs(index)}" size="48" type="Measurement"{hashes}></ns0:Resource>\n'
    )


def _algorithm(name: str, address: str) -> str:
    return f'<ds:{name} Algorithm="{address}"></ds:{name}>'
