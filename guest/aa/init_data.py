"""Init data against the hardware: is it the document that the guest was launched with?

The host hands the document to the guest, and its digest to the hardware, which no host can change
afterwards (guest.md, section 2.5). Verifiers compare the two again; the guest does it before it
believes what the document says.
"""

from __future__ import annotations

import hmac
import logging

from guest.attester import Attester, Devices, InitDataAttester
from guest.errors import ConfigError, InitDataMismatchError
from guest.wire.errors import WireError
from guest.wire.init_data import parse_init_data

_log = logging.getLogger(__name__)


def bind_init_data(text: str, attester: Attester, devices: Devices) -> bool:
    """Refuse a document that this guest was not launched with.

    Args:
        text: the exact document.
        attester: of this guest's TEE.
        devices: the way to the hardware.

    Returns:
        Whether the hardware has a field to compare; without one, only verifiers can tell.

    Raises:
        InitDataMismatchError: the hardware holds another digest.
        AttesterError: the hardware could not be read.
        ConfigError: it is no init-data document.
    """
    try:
        digest = parse_init_data(text).digest
    except WireError as error:
        raise ConfigError([f"init_data_file: {error}"]) from error
    if not isinstance(attester, InitDataAttester):
        _log.warning("the TEE %s has nothing that init data could be compared with", attester.tee)
        return False
    field = attester.init_data_field(devices)
    # A digest of another length is cut or padded with zeros, as hosts do when they launch.
    expected = digest[: len(field)].ljust(len(field), b"\0")
    if not hmac.compare_digest(field, expected):
        raise InitDataMismatchError("the hardware was launched with other init data than this")
    return True
