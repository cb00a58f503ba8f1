"""Intel's collateral from one JSON file: Trustee's offline form, for sites without a network.

The file is ``{"collaterals": {…}}``: TCB infos by FMSPC, enclave identities, revocation lists as
hex of DER, issuer chains as URL-encoded PEM. It is read again when it was changed.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from app.attestation.collateral.intel import (
    IDENTITY_CHAIN_HEADER,
    PCK_CRL,
    PCK_CRL_CHAIN_HEADER,
    QE_IDENTITY,
    ROOT_CA_CRL,
    TCB_CHAIN_HEADER,
    TCB_INFO,
    UpdateType,
)
from app.attestation.collateral.ports import Collateral
from app.trust.errors import CollateralUnavailableError, ConfigError
from app.trust.json_types import JSONObject, JSONValue
from guest.wire.errors import WireError
from guest.wire.strict_json import parse_json_object

# A file with the 100 FMSPCs of Intel's list has 2 MiB.
MAX_FILE_BYTES = 16 * 1024 * 1024

_IDENTITIES = {"sgx": "qeidentity", "tdx": "tdqeidentity"}
_CHAINS = {
    TCB_CHAIN_HEADER: "TCB-Info-Issuer-Chain",
    IDENTITY_CHAIN_HEADER: "SGX-Enclave-Identity-Issuer-Chain",
    PCK_CRL_CHAIN_HEADER: "SGX-PCK-Certificate-Issuer-Chain",
}


@dataclass(frozen=True, slots=True)
class _Bundle:
    """What the file held when it was read."""

    collaterals: JSONObject
    modified_at: datetime
    stamp: tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Found:
    """A document of the file.

    Attributes:
        chain: its issuer chain by the name of the response header.
    """

    body: bytes
    chain: dict[str, str]


class IntelBundle:
    """Documents in the file; it is only read.

    Args:
        path: of the file; it must exist and parse.
        update: ``early`` prefers the entries for it and falls back to the plain ones.

    Raises:
        ConfigError: the file cannot be read or is not of its form.
    """

    def __init__(self, path: Path, update: UpdateType = UpdateType.EARLY) -> None:
        self.name = f"bundle:{path}"
        self._path = path
        self._suffixes = ("_early", "") if update is UpdateType.EARLY else ("",)
        self._lock = threading.Lock()
        try:
            self._bundle = _read(path)
        except CollateralUnavailableError as error:
            raise ConfigError([f"collateral.intel_bundle: {error.message}"]) from error

    def find(self, name: str) -> Collateral | None:
        """The document, dated by the file; ``None`` when the file does not hold it.

        Raises:
            CollateralUnavailableError: the file was changed and cannot be read now, or what it
                holds under the name is malformed.
        """
        bundle = self._current()
        found = self._find(bundle.collaterals, name)
        if found is None:
            return None
        return Collateral(name, found.body, found.chain, bundle.modified_at, self.name)

    def _current(self) -> _Bundle:
        with self._lock:
            if _stamp(self._path) != self._bundle.stamp:
                self._bundle = _read(self._path)
            return self._bundle

    def _find(self, collaterals: JSONObject, name: str) -> _Found | None:
        if match := TCB_INFO.fullmatch(name):
            infos = _tcb_infos(collaterals, match[2])
            return self._signed(collaterals, infos, f"{match[1]}_tcbinfo", TCB_CHAIN_HEADER)
        if match := QE_IDENTITY.fullmatch(name):
            member = _IDENTITIES[match[1]]
            return self._signed(collaterals, collaterals, member, IDENTITY_CHAIN_HEADER)
        if match := PCK_CRL.fullmatch(name):
            der = _hex(_object(collaterals, "pckcacrl"), f"{match[1]}Crl")
            chain = _chain(collaterals, PCK_CRL_CHAIN_HEADER, match[1].upper())
            return None if der is None else _Found(der, chain)
        if name == ROOT_CA_CRL:
            der = _hex(collaterals, "rootcacrl")
            return None if der is None else _Found(der, {})
        return None

    def _signed(
        self, collaterals: JSONObject, where: JSONObject, member: str, header: str
    ) -> _Found | None:
        for suffix in self._suffixes:
            document = where.get(member + suffix)
            if document is not None:
                # Compact and in the order of the file: the form in which Intel signs.
                text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
                return _Found(text.encode(), _chain(collaterals, header, None))
        return None


def _read(path: Path) -> _Bundle:
    stamp = _stamp(path)
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise CollateralUnavailableError("the file cannot be read") from error
    if len(text) > MAX_FILE_BYTES:
        raise CollateralUnavailableError(f"the file is longer than {MAX_FILE_BYTES} bytes")
    try:
        collaterals = _object(parse_json_object(text), "collaterals")
    except WireError as error:
        raise CollateralUnavailableError("the file is not a JSON object") from error
    if not collaterals:
        raise CollateralUnavailableError("the file holds no collaterals")
    _check_distribution_point(collaterals)
    return _Bundle(collaterals, datetime.fromtimestamp(stamp[0] / 1e9, UTC), stamp)


def _stamp(path: Path) -> tuple[int, int]:
    """What changes when the file does: nanoseconds of its time, and its size."""
    try:
        status = path.stat()
    except OSError as error:
        raise CollateralUnavailableError("the file cannot be read") from error
    return status.st_mtime_ns, status.st_size


def _check_distribution_point(collaterals: JSONObject) -> None:
    """When the file says where its root list is from, that is where the root says it is."""
    stated = collaterals.get("rootcacrl_cdp")
    if not stated:
        return
    quoted = _chain(collaterals, IDENTITY_CHAIN_HEADER, None).get(IDENTITY_CHAIN_HEADER, "")
    points = _distribution_points(unquote_to_bytes(quoted.encode("utf-8", "replace")))
    if points and stated not in points:
        raise CollateralUnavailableError("rootcacrl_cdp is not the root's distribution point")


def _distribution_points(pem: bytes) -> list[str]:
    try:
        root = x509.load_pem_x509_certificates(pem)[-1]
        points = root.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion, x509.ExtensionNotFound):
        return []
    return [str(name.value) for point in points for name in point.full_name or ()]


def _tcb_infos(collaterals: JSONObject, fmspc: str) -> JSONObject:
    entries = collaterals.get("tcbinfos", [])
    if not isinstance(entries, list):
        raise _fault("tcbinfos")
    for entry in entries:
        stated = entry.get("fmspc") if isinstance(entry, dict) else None
        if isinstance(stated, str) and stated.lower() == fmspc:
            return dict(entry)
    return {}


def _chain(collaterals: JSONObject, header: str, authority: str | None) -> dict[str, str]:
    chain: JSONValue = _object(collaterals, "certificates").get(_CHAINS[header])
    if authority is not None and isinstance(chain, dict):
        chain = chain.get(authority)
    if not chain:
        return {}
    if not isinstance(chain, str):
        raise _fault(_CHAINS[header])
    return {header: chain}


def _object(members: JSONObject, name: str) -> JSONObject:
    value = members.get(name, {})
    if not isinstance(value, dict):
        raise _fault(name)
    return value


def _hex(members: JSONObject, name: str) -> bytes | None:
    value = members.get(name)
    if not value:
        return None
    try:
        return bytes.fromhex(value)
    except (ValueError, TypeError) as error:
        raise _fault(name) from error


def _fault(name: str) -> CollateralUnavailableError:
    return CollateralUnavailableError(f"{name} in the bundle of Intel's collateral is malformed")
