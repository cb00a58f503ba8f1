"""Init data against the hardware: is it the document that the guest was launched with?

The host hands the document to the guest, and its digest to the hardware, which no host can change
afterwards (guest.md, section 2.5). Verifiers compare the two again; the guest does it before it
believes what the document says. A TPM is launched with nothing: there the guest extends PCR 8 with
the digest, once, and verifiers see whether anything else was extended into it.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from enum import Enum

from guest.attester import Attester, Devices, InitDataAttester, InitDataRegisterAttester
from guest.errors import ConfigError, InitDataMismatchError
from guest.wire.errors import WireError
from guest.wire.init_data import parse_init_data

_REGISTER_BYTES = 32

_log = logging.getLogger(__name__)


class Binding(Enum):
    """What the hardware says about a digest that does not contradict it."""

    BOUND = "bound"
    UNBOUND = "unbound"
    NO_FIELD = "no field"


def bind_init_data(text: str, attester: Attester, devices: Devices) -> bool:
    """Refuse a document that this guest was not launched with; bind it where the guest does that.

    Args:
        text: the exact document.
        attester: of this guest's TEE.
        devices: the way to the hardware.

    Returns:
        Whether the hardware binds it; where it cannot, only verifiers can tell.

    Raises:
        InitDataMismatchError: the hardware holds another digest.
        AttesterError: the hardware could not be read or written.
        ConfigError: it is no init-data document.
    """
    return bind_init_data_digest(_digest(text), attester, devices)


def bind_init_data_digest(digest: bytes, attester: Attester, devices: Devices) -> bool:
    """The same for a digest.

    Raises:
        InitDataMismatchError: the hardware holds another digest.
        AttesterError: the hardware could not be read or written.
    """
    binding = examine_binding(digest, attester, devices)
    if binding is Binding.NO_FIELD:
        _log.warning("the TEE %s has nothing that init data could be compared with", attester.tee)
        return False
    if binding is Binding.UNBOUND:
        assert isinstance(attester, InitDataRegisterAttester)
        attester.extend_init_data(digest, devices)
        if examine_binding(digest, attester, devices) is not Binding.BOUND:
            raise InitDataMismatchError("the register for init data did not take the digest")
    return True


def examine_init_data(text: str, attester: Attester, devices: Devices) -> Binding:
    """Compare a document with the hardware and change nothing.

    Raises:
        InitDataMismatchError: the hardware holds another digest.
        AttesterError: the hardware could not be read.
        ConfigError: it is no init-data document.
    """
    return examine_binding(_digest(text), attester, devices)


def examine_binding(digest: bytes, attester: Attester, devices: Devices) -> Binding:
    """Compare a digest with the hardware and change nothing.

    Raises:
        InitDataMismatchError: the hardware holds another digest.
        AttesterError: the hardware could not be read.
    """
    if isinstance(attester, InitDataAttester):
        _check_field(digest, attester.init_data_field(devices))
        return Binding.BOUND
    if isinstance(attester, InitDataRegisterAttester):
        return _check_register(digest, attester.init_data_register(devices))
    return Binding.NO_FIELD


def _check_field(digest: bytes, field: bytes) -> None:
    # A digest of another length is cut or padded with zeros, as hosts do when they launch.
    expected = digest[: len(field)].ljust(len(field), b"\0")
    if not hmac.compare_digest(field, expected):
        raise InitDataMismatchError("the hardware was launched with other init data than this")


def _check_register(digest: bytes, value: bytes) -> Binding:
    if len(digest) != _REGISTER_BYTES:
        raise InitDataMismatchError("a TPM binds init data by SHA-256 only")
    if value == bytes(_REGISTER_BYTES):
        return Binding.UNBOUND
    expected = hashlib.sha256(bytes(_REGISTER_BYTES) + digest).digest()
    if not hmac.compare_digest(value, expected):
        raise InitDataMismatchError("PCR 8 was extended with something else than this init data")
    return Binding.BOUND


def _digest(text: str) -> bytes:
    try:
        return parse_init_data(text).digest
    except WireError as error:
        raise ConfigError([f"init_data_file: {error}"]) from error
