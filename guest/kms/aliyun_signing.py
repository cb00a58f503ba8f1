"""How requests to Alibaba Cloud are signed.

Source: upstream's driver (guest.md, section 7.5) for dedicated instances; signature method V3 of
Alibaba Cloud's OpenAPI for everything else.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from guest.wire.encoding import b64_encode

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import rsa

PROTOBUF = "application/x-protobuf"
SCHEME = "ACS3-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class ClientKey:
    """A key pair that a dedicated instance knows.

    Attributes:
        key_id: of the pair.
        private_key: of it.
    """

    key_id: str
    private_key: rsa.RSAPrivateKey = field(repr=False)

    def headers(self, operation: str, body: bytes, now: datetime) -> dict[str, str]:
        """Headers of a POST of protobuf to ``/``, signed (RSASSA-PKCS1-v1_5, SHA-256)."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        digest, date = hashlib.sha256(body).hexdigest().upper(), format_datetime(now, usegmt=True)
        named = {
            # Three c's are how the service spells it.
            "x-kms-acccesskeyid": self.key_id,
            "x-kms-apiname": operation,
            "x-kms-apiversion": "dkms-gcs-0.2",
            "x-kms-signaturemethod": "RSA_PKCS1_SHA_256",
        }
        lines = "".join(f"{name}:{value}\n" for name, value in sorted(named.items()))
        text = f"POST\n{digest}\n{PROTOBUF}\n{date}\n{lines}/"
        made = self.private_key.sign(text.encode("ascii"), padding.PKCS1v15(), hashes.SHA256())
        return {
            **named,
            "Accept": PROTOBUF,
            "Content-Type": PROTOBUF,
            "Content-Sha256": digest,
            "Date": date,
            "Authorization": f"Bearer {b64_encode(made)}",
        }


@dataclass(frozen=True, slots=True)
class SessionKey:
    """Temporary credentials of the Security Token Service.

    Attributes:
        key_id: of the access key.
        secret: of the access key.
        token: that goes with them.
    """

    key_id: str
    secret: str = field(repr=False)
    token: str = field(repr=False)

    def headers(
        self, host: str, action: str, query: Mapping[str, str], now: datetime
    ) -> dict[str, str]:
        """Headers of a POST without a body to ``/``, signed."""
        empty = hashlib.sha256(b"").hexdigest()
        named = {
            "host": host,
            "x-acs-action": action,
            "x-acs-content-sha256": empty,
            "x-acs-date": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "x-acs-security-token": self.token,
            "x-acs-signature-nonce": secrets.token_hex(16),
            "x-acs-version": "2016-01-20",
        }
        return {**named, "Authorization": self.authorization(query_string(query), named)}

    def authorization(self, query: str, headers: Mapping[str, str]) -> str:
        """The field ``Authorization`` of a POST without a body to ``/``.

        Args:
            query: of the URL, canonical.
            headers: all that are signed, by lower-case name.
        """
        lines = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
        names, digest = ";".join(sorted(headers)), headers["x-acs-content-sha256"]
        request = f"POST\n/\n{query}\n{lines}\n{names}\n{digest}".encode()
        text = f"{SCHEME}\n{hashlib.sha256(request).hexdigest()}".encode("ascii")
        made = hmac.new(self.secret.encode("utf-8"), text, hashlib.sha256).hexdigest()
        return f"{SCHEME} Credential={self.key_id},SignedHeaders={names},Signature={made}"


def query_string(query: Mapping[str, str]) -> str:
    """A query in its canonical form: sorted, and encoded as RFC 3986 has it."""
    pairs = sorted((quote(name, safe="~"), quote(value, safe="~")) for name, value in query.items())
    return "&".join(f"{name}={value}" for name, value in pairs)
