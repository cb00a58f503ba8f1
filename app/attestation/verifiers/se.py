"""IBM Secure Execution: a measurement whose key only the firmware of a known machine was told.

Source: IBM's s390-tools (``pvattest``). The challenge tells the firmware a key and a nonce, sealed
for its host key; evidence is their MAC. The steps of ``verify`` stand in the order of
docs/reference/verifiers/se.md.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from app.attestation.collateral.ibm import is_machine
from app.attestation.collateral.ibm_host_keys import find_authorities, find_host_keys
from app.attestation.collateral.ports import CollateralSource
from app.attestation.evidence import Binding, Claims, Context, UnverifiedEvidence, Verifier
from app.attestation.formats.dcap_cache import VerifiedCache, digest_of
from app.attestation.formats.se_attestation import (
    ADDITIONAL_BYTES,
    HASH_BYTES,
    MEASUREMENT_BYTES,
    NONCE_BYTES,
    TAG_BYTES,
    USER_DATA_BYTES,
    SEEvidence,
    image_tags,
    parse_evidence,
)
from app.attestation.formats.se_host_keys import (
    HostKeyAuthorities,
    HostKeyFormatError,
    host_keys,
    load_certificates,
    load_revocation_list,
)
from app.attestation.formats.se_request import MAX_HOST_KEYS, MeasurementSecrets, request_block
from app.trust.errors import (
    BindingMismatchError,
    CollateralUnavailableError,
    ConfigError,
    IdentityMismatchError,
    SignatureError,
    UnverifiedError,
)
from app.trust.json_types import JSONObject, JSONValue
from guest.wire.encoding import b64_encode
from guest.wire.errors import WireError
from guest.wire.strict_json import parse_json_object

_OPTIONS = "attestation.verifier_options.se"
# Where Trustee's deployments mount these files.
_FOLDER = Path("/run/confidential-containers/ibmse")
_DEFAULT_PATHS = {
    "host_key_documents": _FOLDER / "hkds",
    "certificates": _FOLDER / "certs",
    "revocation_lists": _FOLDER / "crls",
    "image_header": _FOLDER / "hdr" / "hdr.bin",
    "measurement_key": _FOLDER / "rsa" / "encrypt_key.pem",
}
_CHECKS = ("enforce", "insecure_skip")
_LEAST_RSA_BITS = 2048
_VERSION = 0x0100
_MAX_FILE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class SEOptions:
    """The settings under ``attestation.verifier_options.se``.

    Attributes:
        host_key_documents: folder of the machines' certificates.
        certificates: folder of those that vouch for them.
        root_ca: file of their root; ``None`` takes a self-signed one of the folder.
        revocation_lists: folder; it may be missing.
        image_header: of the image that guests run.
        measurement_key: RSA private key in PEM, of this server.
        check_host_keys: whether host key documents are verified.
        machines: whose host keys are had as collateral, with all that vouches for them; when there
            are any, the three folders are not looked at.
    """

    host_key_documents: Path
    certificates: Path
    revocation_lists: Path
    image_header: Path
    measurement_key: Path
    root_ca: Path | None
    check_host_keys: bool
    machines: tuple[str, ...] = ()

    @classmethod
    def parse(cls, options: Mapping[str, JSONValue]) -> SEOptions:
        """The options.

        Raises:
            ConfigError: an unknown option or a wrong value; all faults are listed.
        """
        values, faults = dict(options), list[str]()
        paths: dict[str, Path] = {}
        for name, default in _DEFAULT_PATHS.items():
            paths[name] = _path(name, values.pop(name, str(default)), faults)
        root_ca = values.pop("root_ca", None)
        check = values.pop("check_host_keys", _CHECKS[0])
        if check not in _CHECKS:
            faults.append(f"{_OPTIONS}.check_host_keys: one of {', '.join(_CHECKS)}")
        root = None if root_ca is None else _path("root_ca", root_ca, faults)
        machines = _machines(values.pop("machines", []), faults)
        if machines and root is None:
            faults.append(f"{_OPTIONS}.root_ca: has to be pinned where machines are named")
        faults += [f"{_OPTIONS}.{name}: no such option" for name in values]
        if faults:
            raise ConfigError(faults)
        enforced = check == _CHECKS[0]
        return cls(**paths, root_ca=root, check_host_keys=enforced, machines=machines)


class SEVerifier:
    """Challenges and verifies Secure Execution guests. Fits ``Challenger`` too."""

    tee = "se"
    insecure = False

    def __init__(self) -> None:
        # Loading a private key checks its numbers, which takes longer than using it.
        self._keys: VerifiedCache[rsa.RSAPrivateKey] = VerifiedCache(4)

    def check_options(self, options: Mapping[str, JSONValue]) -> None:
        """Refuse options that cannot serve, and files that are not what they should be.

        Raises:
            ConfigError: it lists every fault.
        """
        chosen = SEOptions.parse(options)
        faults: list[str] = []
        files: list[tuple[str, Callable[[], object]]] = [
            ("measurement_key", partial(self._load_key, chosen)),
            ("image_header", partial(_load_tags, chosen)),
        ]
        if chosen.machines:
            files.append(("root_ca", partial(_load_root, chosen)))
        else:
            files.append(("host_key_documents", partial(_load_host_keys, chosen)))
        for name, load in files:
            try:
                load()
            except (OSError, ValueError) as error:
                faults.append(f"{_OPTIONS}.{name}: cannot be used ({type(error).__name__})")
        if faults:
            raise ConfigError(faults)

    def challenge(self, parameters: JSONValue, context: Context) -> str:
        """A request that the firmware of a known machine can open, as the text of JSON.

        Raises:
            CollateralUnavailableError: a file of the operator's is missing or broken, or a host key
                document does not verify.
        """
        del parameters  # Guests say nothing that the request depends on.
        options = _parse_options(context)
        try:
            key, tags = self._load_key(options), _load_tags(options)
            documents = _host_key_documents(options, context.collateral)
            if options.check_host_keys:
                authorities = _authorities(options, context.collateral)
                for document in documents:
                    authorities.check(document, context.now)
            keys = host_keys(documents)
        except (OSError, ValueError, UnverifiedError) as error:
            raise CollateralUnavailableError(
                "the keys for Secure Execution on this server are missing or do not verify"
            ) from error
        return _challenge(keys, key.public_key(), tags)

    def verify(
        self, evidence: UnverifiedEvidence, binding: Binding, context: Context
    ) -> list[Claims]:
        """Carry out every check, in the order of the reference page.

        Raises:
            MalformedEvidenceError: the evidence does not parse.
            UnverifiedError: a check failed; the leaf says which.
            CollateralUnavailableError: a file of the operator's is missing or broken.
        """
        options = _parse_options(context)
        found = parse_evidence(evidence.body)
        _check_answers(found, context.challenge)
        try:
            key, tags = self._load_key(options), _load_tags(options)
        except (OSError, ValueError) as error:
            raise CollateralUnavailableError(
                "the keys for Secure Execution on this server are missing"
            ) from error
        _check_measurement(found, key)
        _check_image(found, tags)
        _check_report_data(found, binding)
        return [Claims("cpu", _claims(found, binding))]

    def _load_key(self, options: SEOptions) -> rsa.RSAPrivateKey:
        pem = _read(options.measurement_key)
        return self._keys.get(digest_of(pem), partial(_private_key, pem))


def _parse_options(context: Context) -> SEOptions:
    try:
        return SEOptions.parse(context.options)
    except ConfigError as error:
        raise CollateralUnavailableError("Secure Execution is not configured here") from error


def _path(name: str, value: JSONValue, faults: list[str]) -> Path:
    if not isinstance(value, str) or not value:
        faults.append(f"{_OPTIONS}.{name}: a path")
        return Path()
    return Path(value)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(_MAX_FILE_BYTES + 1)
    if len(data) > _MAX_FILE_BYTES:
        raise HostKeyFormatError("a file that is too large")
    return data


def _read_folder(path: Path) -> list[bytes]:
    """The files of a folder by name; hidden ones are left alone."""
    files = sorted(each for each in path.iterdir() if each.is_file() and each.name[0] != ".")
    return [_read(each) for each in files[:MAX_HOST_KEYS]]


def _private_key(pem: bytes) -> rsa.RSAPrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except (TypeError, UnsupportedAlgorithm) as error:
        raise HostKeyFormatError("not a private key") from error
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < _LEAST_RSA_BITS:
        raise HostKeyFormatError("not an RSA key of at least 2048 bits")
    return key


def _load_tags(options: SEOptions) -> bytes:
    return image_tags(_read(options.image_header))


def _machines(value: JSONValue, faults: list[str]) -> tuple[str, ...]:
    named = [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
    if value != named or len(named) > MAX_HOST_KEYS or not all(map(is_machine, named)):
        faults.append(f"{_OPTIONS}.machines: a list of machines, such as 8561-000201c048")
        return ()
    return tuple(named)


def _host_key_documents(options: SEOptions, source: CollateralSource) -> list[x509.Certificate]:
    if not options.machines:
        return _load_host_keys(options)
    return find_host_keys(options.machines, source)


def _authorities(options: SEOptions, source: CollateralSource) -> HostKeyAuthorities:
    if not options.machines:
        return _load_authorities(options)
    return find_authorities(_load_root(options), source)


def _load_root(options: SEOptions) -> x509.Certificate:
    assert options.root_ca is not None, "options without a root name no machines"
    (root,) = load_certificates(_read(options.root_ca))
    return root


def _load_host_keys(options: SEOptions) -> list[x509.Certificate]:
    documents = [
        certificate
        for data in _read_folder(options.host_key_documents)
        for certificate in load_certificates(data)
    ]
    if not 1 <= len(documents) <= MAX_HOST_KEYS:
        raise HostKeyFormatError(f"not 1 to {MAX_HOST_KEYS} host key documents")
    host_keys(documents)
    return documents


def _load_authorities(options: SEOptions) -> HostKeyAuthorities:
    root = None
    if options.root_ca is not None:
        (root,) = load_certificates(_read(options.root_ca))
    lists = options.revocation_lists
    return HostKeyAuthorities(
        certificates=tuple(
            certificate
            for data in _read_folder(options.certificates)
            for certificate in load_certificates(data)
        ),
        root=root,
        revocation_lists=tuple(
            load_revocation_list(data) for data in (_read_folder(lists) if lists.is_dir() else [])
        ),
    )


def _challenge(keys: list[ec.EllipticCurvePublicKey], own: rsa.RSAPublicKey, tags: bytes) -> str:
    told = MeasurementSecrets.generate()
    document = {
        "request_blob": b64_encode(request_block(keys, told)),
        "measurement_size": MEASUREMENT_BYTES,
        "additional_size": ADDITIONAL_BYTES,
        "encr_measurement_key": b64_encode(own.encrypt(told.key, padding.PKCS1v15())),
        "encr_request_nonce": b64_encode(own.encrypt(told.nonce, padding.PKCS1v15())),
        "image_hdr_tags": b64_encode(tags),
    }
    return json.dumps(document, separators=(",", ":"))


def _check_answers(evidence: SEEvidence, challenge: str | None) -> None:
    """The evidence is about the request of this challenge, and not about one of the guest's own.

    Whoever knows this server's public key can make a request whose key it knows, and then the
    firmware's measurement proves nothing.
    """
    if challenge is None:
        return
    try:
        told = parse_json_object(challenge)
    except WireError as error:
        raise BindingMismatchError("the nonce is no challenge for Secure Execution") from error
    sealed = {
        "encr_measurement_key": evidence.sealed_key,
        "encr_request_nonce": evidence.sealed_nonce,
    }
    for name, found in sealed.items():
        expected = told.get(name)
        if not isinstance(expected, str) or not hmac.compare_digest(
            expected.encode(), b64_encode(found).encode()
        ):
            raise BindingMismatchError("the evidence answers another challenge")


def _check_measurement(evidence: SEEvidence, key: rsa.RSAPrivateKey) -> None:
    measurement_key = _unseal(key, evidence.sealed_key, MEASUREMENT_BYTES)
    nonce = _unseal(key, evidence.sealed_nonce, NONCE_BYTES)
    if not evidence.has_measurement_of(measurement_key, nonce):
        raise SignatureError("the firmware did not make this measurement for this request")


def _unseal(key: rsa.RSAPrivateKey, sealed: bytes, size: int) -> bytes:
    """What was sealed for this server; something else at random when it does not open.

    Whoever sends ciphertexts must not learn from the answer whether their padding was right
    (Bleichenbacher's attack), so a wrong one goes the same way to the same refusal.
    """
    instead = secrets.token_bytes(size)
    try:
        opened = key.decrypt(sealed, padding.PKCS1v15())
    except ValueError:
        return instead
    return opened if len(opened) == size else instead


def _check_image(evidence: SEEvidence, expected: bytes) -> None:
    """The firmware started the operator's image, and not another one that is genuine too."""
    if not hmac.compare_digest(evidence.image_tags, expected):
        raise IdentityMismatchError("the guest runs another image")


def _check_report_data(evidence: SEEvidence, binding: Binding) -> None:
    expected = binding.report_data
    if expected is None:
        return
    if len(expected) > USER_DATA_BYTES:
        raise BindingMismatchError("the expected report data is longer than 64 bytes")
    padded = expected.ljust(USER_DATA_BYTES, b"\0")
    if not hmac.compare_digest(evidence.user_data[:USER_DATA_BYTES], padded):
        raise BindingMismatchError("the guest is bound to other report data")


def _claims(evidence: SEEvidence, binding: Binding) -> JSONObject:
    return {
        "cuid": evidence.cuid.hex(),
        "report_data": (binding.report_data or b"").hex(),
        "version": _VERSION,
        "image_phkh": evidence.additional_data[:HASH_BYTES].hex(),
        "attestation_phkh": evidence.additional_data[HASH_BYTES:].hex(),
        "tag": evidence.image_tags[-TAG_BYTES:].hex(),
    }


VERIFIER: Verifier = SEVerifier()
