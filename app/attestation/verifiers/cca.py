"""Arm CCA: a realm's token, under the key of a platform that the operator knows.

Sources: Arm DEN0137 (tokens); RFC 9052 (signatures). The steps of ``verify`` stand in the order of
docs/reference/verifiers/cca.md.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from app.attestation.collateral.catalogue import checked_base_url
from app.attestation.collateral.veraison import Veraison, VeraisonAddress, load_key, open_client
from app.attestation.evidence import Binding, Claims, Context, UnverifiedEvidence, Verifier
from app.attestation.formats.cca_stores import (
    PlatformReference,
    TrustAnchor,
    WatchedFile,
    parse_platform_references,
    parse_trust_anchors,
)
from app.attestation.formats.cca_token import (
    CHALLENGE_BYTES,
    MAX_TOKEN_BYTES,
    CCAToken,
    PlatformClaims,
)
from app.attestation.formats.snp_report_json import byte_array
from app.trust.errors import (
    BindingMismatchError,
    CollateralMismatchError,
    CollateralUnavailableError,
    ConfigError,
    InitDataMismatchError,
    MalformedEvidenceError,
    TCBUnsupportedError,
    UntrustedRootError,
)
from app.trust.json_types import JSONObject, JSONValue
from guest.wire.encoding import b64_encode

_OPTIONS = "attestation.verifier_options.cca"
_TRUST_ANCHORS = "trust_anchors_file"
_REFERENCE_VALUES = "reference_values_file"
_REMOTE = "remote"
_MODES = ("local", _REMOTE)
_FILES = 8  # that a verifier keeps in memory; settings name one of each kind


@dataclass(frozen=True, slots=True)
class CCAOptions:
    """The settings under ``attestation.verifier_options.cca``.

    Attributes:
        trust_anchors: the file of platform keys.
        reference_values: the file of what platforms should run.
        remote: a service that verifies in the place of both files.
    """

    trust_anchors: Path = Path()
    reference_values: Path = Path()
    remote: VeraisonAddress | None = None

    @classmethod
    def parse(cls, options: Mapping[str, JSONValue]) -> CCAOptions:
        """The options.

        Raises:
            ConfigError: an unknown or missing option, or not a path; all faults are listed.
        """
        faults: list[str] = []
        values = dict(options)
        mode = values.pop("type", _MODES[0])
        if mode not in _MODES:
            faults.append(f"{_OPTIONS}.type: one of {', '.join(_MODES)}")
        if mode == _REMOTE:
            return cls(remote=_address(values, faults))
        paths = [_path(name, values, faults) for name in (_TRUST_ANCHORS, _REFERENCE_VALUES)]
        faults += [f"{_OPTIONS}.{name}: no such option" for name in values]
        if faults:
            raise ConfigError(faults)
        return cls(paths[0], paths[1])


class CCAVerifier:
    """Verifies tokens of realms on platforms whose keys are in an operator's file."""

    tee = "cca"
    insecure = False

    def __init__(self, service: Veraison | None = None) -> None:
        """Take the service that verifies remotely; it is asked only when options say so."""
        self._service = service or Veraison()
        self._trust_anchors = lru_cache(_FILES)(_open_trust_anchors)
        self._references = lru_cache(_FILES)(_open_references)

    def check_options(self, options: Mapping[str, JSONValue]) -> None:
        """Refuse options that ``verify`` would not understand, and files that do not parse.

        Raises:
            ConfigError: it lists every fault.
        """
        chosen = CCAOptions.parse(options)
        if chosen.remote is not None:
            _check_address(chosen.remote)
            return
        faults = []
        for name, read in (
            (_TRUST_ANCHORS, lambda: self._trust_anchors(chosen.trust_anchors).content()),
            (_REFERENCE_VALUES, lambda: self._references(chosen.reference_values).content()),
        ):
            try:
                read()
            except CollateralUnavailableError as error:
                faults.append(f"{_OPTIONS}.{name}: {error.message}")
        if faults:
            raise ConfigError(faults)

    def verify(
        self, evidence: UnverifiedEvidence, binding: Binding, context: Context
    ) -> list[Claims]:
        """Carry out every check, in the order of the reference page.

        Raises:
            MalformedEvidenceError: the evidence does not parse.
            UnverifiedError: a check failed; the leaf says which.
            CollateralUnavailableError: the operator's files are not configured, or not readable.
        """
        token = _parse_evidence(evidence.body)
        options = _options(context)
        if options.remote is not None:
            return self._verify_remotely(token, options.remote, binding, evidence)
        anchors = self._trust_anchors(options.trust_anchors).content()
        anchor = _find_anchor(token.platform, anchors)
        token.platform_message.verify(anchor.key)
        _check_implementation(token.platform, anchor)
        token.platform.check_lifecycle()
        token.realm.check_key(token.platform)
        token.realm_message.verify(token.realm.key)
        references = self._references(options.reference_values).content()
        _check_platform(token.platform, references)
        _check_challenge(token.realm.challenge, binding)
        _check_personalization(token.realm.personalization, binding)
        return [Claims("cpu", token.claims())]

    def _verify_remotely(
        self,
        token: CCAToken,
        address: VeraisonAddress,
        binding: Binding,
        evidence: UnverifiedEvidence,
    ) -> list[Claims]:
        """Have a service verify; that the token is bound to us is checked here all the same."""
        _check_challenge(token.realm.challenge, binding)
        _check_personalization(token.realm.personalization, binding)
        encoded = _token_bytes(evidence.body)
        result = self._service.verify(encoded, token.realm.challenge, address)
        # What the service read and what was read here are one token.
        told = result.realm.get("cca-realm-challenge")
        if not isinstance(told, str) or told != b64_encode(token.realm.challenge):
            raise BindingMismatchError("the CCA service verified another realm")
        claims: JSONObject = token.claims() | {"platform": result.platform, "realm": result.realm}
        return [Claims("cpu", claims)]


def _address(values: dict[str, JSONValue], faults: list[str]) -> VeraisonAddress:
    url, ca_file = values.pop("address", ""), values.pop("ca_cert", None)
    key_file = _path("key_file", values, faults)
    if not isinstance(url, str):
        faults.append(f"{_OPTIONS}.address: not a URL")
        url = ""
    if ca_file is not None and not isinstance(ca_file, str):
        faults.append(f"{_OPTIONS}.ca_cert: the path of a file")
    faults += [f"{_OPTIONS}.{name}: no such option" for name in values]
    try:
        url = checked_base_url(f"{_OPTIONS}.address", url)
    except ConfigError as error:
        faults += error.faults
    if faults:
        raise ConfigError(faults)
    return VeraisonAddress(url, key_file, Path(ca_file) if isinstance(ca_file, str) else None)


def _check_address(address: VeraisonAddress) -> None:
    try:
        load_key(address.key_file)
        open_client(address)
    except (OSError, ValueError) as error:
        message = f"{_OPTIONS}: key_file or ca_cert cannot be used ({type(error).__name__})"
        raise ConfigError([message]) from error


def _path(name: str, values: dict[str, JSONValue], faults: list[str]) -> Path:
    """Take a path out of the values, and note a fault."""
    value = values.pop(name, None)
    if not isinstance(value, str) or not value:
        faults.append(f"{_OPTIONS}.{name}: the path of a file")
        return Path()
    return Path(value)


def _open_trust_anchors(path: Path) -> WatchedFile[dict[bytes, TrustAnchor]]:
    return WatchedFile(path, parse_trust_anchors)


def _open_references(path: Path) -> WatchedFile[tuple[PlatformReference, ...]]:
    return WatchedFile(path, parse_platform_references)


def _parse_evidence(body: JSONValue) -> CCAToken:
    return CCAToken.parse(_token_bytes(body))


def _token_bytes(body: JSONValue) -> bytes:
    if not isinstance(body, dict):
        raise MalformedEvidenceError("CCA evidence is not a JSON object")
    return byte_array(body.get("token"), "token", MAX_TOKEN_BYTES)


def _options(context: Context) -> CCAOptions:
    try:
        return CCAOptions.parse(context.options)
    except ConfigError as error:
        # CCA has no vendor's root: without the operator's files there is nothing to judge by.
        raise CollateralUnavailableError(error.message) from error


def _find_anchor(platform: PlatformClaims, anchors: Mapping[bytes, TrustAnchor]) -> TrustAnchor:
    anchor = anchors.get(platform.instance_id)
    if anchor is None:
        raise UntrustedRootError("the platform is not among the trust anchors")
    return anchor


def _check_implementation(platform: PlatformClaims, anchor: TrustAnchor) -> None:
    """The platform is of the kind that its trust anchor says."""
    if platform.implementation_id != anchor.implementation_id:
        raise CollateralMismatchError("the trust anchor is of another implementation")


def _check_platform(platform: PlatformClaims, references: tuple[PlatformReference, ...]) -> None:
    """The platform runs what the operator knows for its implementation."""
    known = [
        reference
        for reference in references
        if reference.implementation_id == platform.implementation_id
    ]
    if not known:
        raise TCBUnsupportedError("there are no reference values for the platform")
    if not any(reference.matches(platform) for reference in known):
        raise TCBUnsupportedError("the platform does not run what its reference values say")


def _check_challenge(found: bytes, binding: Binding) -> None:
    expected = binding.report_data
    if expected is None:
        raise BindingMismatchError("tokens of CCA need expected report data")
    # Trustee would cut a longer value, and so accept what differs after the cut.
    if len(expected) > CHALLENGE_BYTES:
        raise BindingMismatchError("the expected report data is longer than the realm's challenge")
    if not hmac.compare_digest(expected.ljust(CHALLENGE_BYTES, b"\0"), found):
        raise BindingMismatchError("the realm answered another challenge")


def _check_personalization(found: bytes, binding: Binding) -> None:
    if binding.init_data is not None and not hmac.compare_digest(binding.init_data, found):
        raise InitDataMismatchError("the realm was launched with other init data")


VERIFIER: Verifier = CCAVerifier()
