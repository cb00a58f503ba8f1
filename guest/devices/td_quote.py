"""The one field of a TDX quote that its own guest reads: MRCONFIGID.

Source: Intel TDX DCAP Quoting Library API, appendix A.3, quotes of version 4 and 5. The guest
asked its own kernel for the quote, so nothing is verified here; verifiers do that.
"""

from __future__ import annotations

from guest.errors import DeviceError

MR_CONFIG_ID_BYTES = 48

_HEADER_BYTES = 48
_TEE_TDX = 0x81
# Type and size of the body stand before it in version 5 only.
_BODY_OFFSETS = {4: _HEADER_BYTES, 5: _HEADER_BYTES + 6}
_MR_CONFIG_ID = 184


def mr_config_id(quote: bytes) -> bytes:
    """MRCONFIGID, 48 bytes: what the host said this guest is configured with.

    Raises:
        DeviceError: it is no TDX quote of version 4 or 5.
    """
    version, tee = int.from_bytes(quote[:2], "little"), int.from_bytes(quote[4:8], "little")
    if version not in _BODY_OFFSETS or tee != _TEE_TDX:
        raise DeviceError("the kernel made no TDX quote of version 4 or 5")
    start = _BODY_OFFSETS[version] + _MR_CONFIG_ID
    value = quote[start : start + MR_CONFIG_ID_BYTES]
    if len(value) != MR_CONFIG_ID_BYTES:
        raise DeviceError("the TDX quote is cut off")
    return value
