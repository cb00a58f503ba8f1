"""TCB info and enclave identities: what Intel says about platforms, TDX modules and QEs.

Source: Intel PCS API version 4, TCB info version 3 and enclave identity version 2.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.attestation.formats.dcap_certificates import Certificate, Period
from app.attestation.formats.dcap_signed_json import Members, open_signed_document
from app.attestation.formats.dcap_tcb import (
    COMPONENTS,
    MODULE_STATUSES,
    PLATFORM_STATUSES,
    EnclaveLevel,
    PlatformLevel,
    Rating,
    TCBStatus,
)

TCB_INFO_VERSION = 3
ENCLAVE_IDENTITY_VERSION = 2

_MAX_NUMBER = 2**31 - 1


@dataclass(frozen=True, slots=True)
class TDXModule:
    """A TDX module as Intel signs it.

    Attributes:
        module_id: ``TDX_01`` and so on; empty for the module that TCB info 3 describes directly.
        mr_signer: 48 bytes.
        attributes: 8 bytes.
        levels: empty for the module that TCB info 3 describes directly.
    """

    module_id: str
    mr_signer: bytes
    attributes: bytes
    levels: tuple[EnclaveLevel, ...]


@dataclass(frozen=True, slots=True)
class TCBInfo:
    """The TCB levels of one family of platforms.

    Attributes:
        tee: ``SGX`` or ``TDX``.
        fmspc: family, model, stepping, platform and customisation, 6 bytes.
        evaluation_number: which of Intel's TCB recoveries it takes part in.
        module: of TDX modules of version 0; ``None`` for SGX.
        modules: of later TDX modules.
    """

    tee: str
    fmspc: bytes
    pce_id: bytes
    period: Period
    evaluation_number: int
    module: TDXModule | None
    modules: tuple[TDXModule, ...]
    levels: tuple[PlatformLevel, ...]


@dataclass(frozen=True, slots=True)
class EnclaveIdentity:
    """What a genuine quoting enclave looks like.

    Attributes:
        enclave_id: ``QE`` for SGX, ``TD_QE`` for TDX.
        misc_select: value and mask, 4 bytes each, in the order of the report.
        attributes: value and mask, 16 bytes each.
        mr_signer: 32 bytes.
    """

    enclave_id: str
    period: Period
    evaluation_number: int
    misc_select: tuple[bytes, bytes]
    attributes: tuple[bytes, bytes]
    mr_signer: bytes
    isv_prod_id: int
    levels: tuple[EnclaveLevel, ...]


def open_tcb_info(body: bytes, signer: Certificate) -> TCBInfo:
    """A TCB info whose signature was checked.

    Raises:
        CollateralUnavailableError: the body is no TCB info of version 3.
        SignatureError: the signature does not verify.
    """
    members = open_signed_document(body, "tcbInfo", signer)
    _check_version(members, TCB_INFO_VERSION)
    tee = members.text("id")
    is_tdx = tee == "TDX"
    # The first TCB infos for TDX had one module and no identities.
    modules = members.objects("tdxModuleIdentities") if _has_identities(members) else []
    return TCBInfo(
        tee=tee,
        fmspc=members.hexadecimal("fmspc", 6),
        pce_id=members.hexadecimal("pceId", 2),
        period=_period(members),
        evaluation_number=members.integer("tcbEvaluationDataNumber", _MAX_NUMBER),
        module=_module("", members.object("tdxModule"), ()) if is_tdx else None,
        modules=tuple(
            _module(each.text("id"), each, _enclave_levels(each, MODULE_STATUSES))
            for each in modules
        ),
        levels=tuple(_platform_level(each, is_tdx=is_tdx) for each in members.objects("tcbLevels")),
    )


def open_enclave_identity(body: bytes, signer: Certificate) -> EnclaveIdentity:
    """An enclave identity whose signature was checked.

    Raises:
        CollateralUnavailableError: the body is no enclave identity of version 2.
        SignatureError: the signature does not verify.
    """
    members = open_signed_document(body, "enclaveIdentity", signer)
    _check_version(members, ENCLAVE_IDENTITY_VERSION)
    return EnclaveIdentity(
        enclave_id=members.text("id"),
        period=_period(members),
        evaluation_number=members.integer("tcbEvaluationDataNumber", _MAX_NUMBER),
        misc_select=(
            members.hexadecimal("miscselect", 4),
            members.hexadecimal("miscselectMask", 4),
        ),
        attributes=(
            members.hexadecimal("attributes", 16),
            members.hexadecimal("attributesMask", 16),
        ),
        mr_signer=members.hexadecimal("mrsigner", 32),
        isv_prod_id=members.integer("isvprodid", 0xFFFF),
        levels=_enclave_levels(members, MODULE_STATUSES),
    )


def _has_identities(members: Members) -> bool:
    return "tdxModuleIdentities" in members.values


def _check_version(members: Members, version: int) -> None:
    if members.integer("version", _MAX_NUMBER) != version:
        raise members.fault("version")


def _period(members: Members) -> Period:
    return Period(members.date("issueDate"), members.date("nextUpdate"))


def _module(module_id: str, members: Members, levels: tuple[EnclaveLevel, ...]) -> TDXModule:
    return TDXModule(
        module_id,
        members.hexadecimal("mrsigner", 48),
        members.hexadecimal("attributes", 8),
        levels,
    )


def _platform_level(level: Members, *, is_tdx: bool) -> PlatformLevel:
    tcb = level.object("tcb")
    return PlatformLevel(
        sgx_components=_components(tcb, "sgxtcbcomponents"),
        pce_svn=tcb.integer("pcesvn", 0xFFFF),
        tdx_components=_components(tcb, "tdxtcbcomponents") if is_tdx else None,
        rating=_rating(level, PLATFORM_STATUSES),
    )


def _components(tcb: Members, member: str) -> tuple[int, ...]:
    components = tuple(each.integer("svn", 0xFF) for each in tcb.objects(member))
    if len(components) != COMPONENTS:
        raise tcb.fault(member)
    return components


def _enclave_levels(members: Members, statuses: frozenset[TCBStatus]) -> tuple[EnclaveLevel, ...]:
    return tuple(
        EnclaveLevel(level.object("tcb").integer("isvsvn", 0xFFFF), _rating(level, statuses))
        for level in members.objects("tcbLevels")
    )


def _rating(level: Members, statuses: frozenset[TCBStatus]) -> Rating:
    text = level.text("tcbStatus")
    if text not in statuses:
        raise level.fault("tcbStatus")
    return Rating(TCBStatus(text), level.date("tcbDate"), level.texts("advisoryIDs"))
