"""What the default policies say of real and of changed claims, by two independent engines."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from paths import ROOT, VECTORS
from policy_engines import agreed

from app.attestation.policies import DEFAULT_POLICY_IDS, check_attestation_policy, default_policy
from app.trust.policy_engine import PolicyText
from app.trust.regorus_engine import RegorusEngine

RESOURCE_POLICY = ROOT / "app" / "broker" / "default_policies" / "resource-policy.rego"
UNKNOWN = (97, 33, 36)


def claims(vector: str) -> dict[str, Any]:
    """Claims of real evidence."""
    found: dict[str, Any] = json.loads((VECTORS / vector).read_text(encoding="utf-8"))
    return found


def judged(policy: str, policy_input: Any, values: dict[str, Any]) -> tuple[int, int, int]:
    """Hardware, executables and configuration; the rest of the vector is zero."""
    vector = agreed(default_policy(policy), "trust_claims", policy_input, values=values)
    told = tuple(vector.pop(name) for name in ("hardware", "executables", "configuration"))
    assert set(vector.values()) == {0}
    assert len(vector) == 5
    return told  # type: ignore[return-value]  # three claims were asked for


def changed(value: dict[str, Any], path: str, to: Any) -> dict[str, Any]:
    """A copy with one member changed, or taken away when ``to`` is an ellipsis."""
    result = copy.deepcopy(value)
    *parents, last = path.split("/")
    place = result
    for parent in parents:
        place = place[int(parent)] if isinstance(place, list) else place[parent]
    if to is ...:
        del place[last]
    else:
        place[last] = to
    return result


SAMPLE = {
    "svn": "1",
    "launch_digest": "abcde",
    "platform_version": {"major": 1, "minor": 4},
    "debug": False,
}
SAMPLE_VALUES = {
    "svn": ["1"],
    "launch_digest": ["abcde"],
    "major_version": 1,
    "minimum_minor_version": 4,
}
SNP = claims("snp/e2e-evidence-genoa-v3.claims.json")
SNP_VALUES = {
    "snp_bootloader": [9, SNP["reported_tcb_bootloader"]],
    "snp_microcode": [SNP["reported_tcb_microcode"]],
    "snp_snp_svn": [SNP["reported_tcb_snp"]],
    "snp_tee_svn": [SNP["reported_tcb_tee"]],
    "snp_launch_measurement": [SNP["measurement"]],
    "snp_smt_enabled": SNP["platform_smt_enabled"],
    "snp_tsme_enabled": SNP["platform_tsme_enabled"],
    "snp_guest_abi_major": SNP["policy_abi_major"],
    "snp_guest_abi_minor": SNP["policy_abi_minor"],
    "snp_single_socket": SNP["policy_single_socket"],
    "snp_smt_allowed": SNP["policy_smt_allowed"],
}
FEW_SNP_VALUES = {name: SNP_VALUES[name] for name in list(SNP_VALUES)[:5]}
EVENTS = [
    {
        "type_name": "EV_EFI_BOOT_SERVICES_APPLICATION",
        "digests": [{"alg": "SHA-384", "digest": "aa"}],
        "digest_matches_event": False,
        "details": {"device_paths": ["File(kernel)"]},
    },
    {
        "type_name": "EV_EVENT_TAG",
        "digests": [{"alg": "SHA-384", "digest": "bb"}],
        "digest_matches_event": False,
        "details": {"string": "LOADED_IMAGE::LoadOptions"},
    },
]
TDX = claims("tdx/tdx_quote_6.claims.json") | {
    "tcb_status": "UpToDate",
    "collateral_expiration_status": "0",
    "uefi_event_logs": EVENTS,
}
TDX_VALUES = {
    "mr_td": [TDX["quote"]["body"]["mr_td"]],
    "rtmr_1": [TDX["quote"]["body"]["rtmr_1"]],
    "rtmr_2": [TDX["quote"]["body"]["rtmr_2"]],
    "xfam": [TDX["quote"]["body"]["xfam"]],
    "tdvfkernel": "aa",
    "tdvfkernelparams": "bb",
}
SGX = claims("sgx/occlum_quote.claims.json") | {
    "tcb_status": "UpToDate",
    "collateral_expiration_status": "0",
}
SGX["body"]["attributes.flags"] = "0500000000000000"
SGX_VALUES = {"mr_enclave": [SGX["body"]["mr_enclave"]]}
SGX_SIGNER_VALUES = {
    "mr_signer": [SGX["body"]["mr_signer"]],
    "isv_prod_id": ["0000"],
    "isv_svn": ["0000"],
}
AZ_SNP = claims("az-snp-vtpm/evidence-v2.claims.json")
AZ_SNP_VALUES = {
    "measurement": [AZ_SNP["measurement"]],
    "snp_pcr11": [AZ_SNP["tpm"]["pcr11"]],
    "tcb_bootloader": [AZ_SNP["reported_tcb_bootloader"]],
    "tcb_microcode": [AZ_SNP["reported_tcb_microcode"]],
    "tcb_snp": [AZ_SNP["reported_tcb_snp"]],
    "tcb_tee": [AZ_SNP["reported_tcb_tee"]],
    "smt_enabled": [AZ_SNP["platform_smt_enabled"]],
    "tsme_enabled": [AZ_SNP["platform_tsme_enabled"]],
    "abi_major": [AZ_SNP["policy_abi_major"]],
    "abi_minor": [AZ_SNP["policy_abi_minor"]],
    "single_socket": [AZ_SNP["policy_single_socket"]],
    "smt_allowed": [AZ_SNP["policy_smt_allowed"]],
}
AZ_TDX = claims("az-tdx-vtpm/evidence-v1.claims.json") | {
    "tcb_status": "UpToDate",
    "collateral_expiration_status": "0",
}
AZ_TDX_VALUES = {
    "mr_td": [AZ_TDX["quote"]["body"]["mr_td"]],
    "xfam": [AZ_TDX["quote"]["body"]["xfam"]],
    "tdx_pcr11": [AZ_TDX["tpm"]["pcr11"]],
}
TPM = claims("tpm/tpm_evidence.claims.json")
TPM_VALUES = {"tpm_pcr11": [TPM["pcr11"]], "trusted_aks": [TPM["ak_public"]]}

GOOD = {
    "sample": (SAMPLE, SAMPLE_VALUES, (2, 3, 2)),
    "snp": (SNP, SNP_VALUES, (2, 3, 2)),
    "tdx": (TDX, TDX_VALUES, (2, 3, 2)),
    "sgx": (SGX, SGX_VALUES, (2, 3, 2)),
    "az-snp-vtpm": (AZ_SNP, AZ_SNP_VALUES, (2, 3, 2)),
    "az-tdx-vtpm": (AZ_TDX, AZ_TDX_VALUES, (2, 3, 2)),
    "tpm": (TPM, TPM_VALUES, (2, 3, 0)),
    "se": ({"image_phkh": "00"}, {}, (2, 3, 2)),
}


@pytest.mark.parametrize("tee", GOOD)
def test_affirms_what_reference_values_stand_behind(tee: str) -> None:
    """Every claim that is registered is met."""
    good, values, expected = GOOD[tee]
    assert judged("default_cpu", {tee: good}, values) == expected


@pytest.mark.parametrize("tee", [tee for tee in GOOD if tee != "se"])
def test_hardware_and_executables_need_reference_values(tee: str) -> None:
    """Genuine evidence of anyone, running anything, is contraindicated."""
    hardware, executables, _ = judged("default_cpu", {tee: GOOD[tee][0]}, {})
    assert executables == 33
    # Intel's own judgement of an SGX platform needs no reference value.
    assert hardware == (2 if tee == "sgx" else 97)


@pytest.mark.parametrize("policy_input", [{}, {"snp": {}}, {"other": SNP}, {"snp": None}])
def test_knows_nothing_of_what_it_does_not_know(policy_input: dict[str, Any]) -> None:
    """Claims that are missing, or of a TEE without rules, meet no reference value."""
    assert judged("default_cpu", policy_input, SNP_VALUES) == UNKNOWN


# TEE, path of the claim, its changed value, and what then comes out.
WORSE: list[tuple[str, str, Any, tuple[int, int, int]]] = [
    ("sample", "svn", "2", (97, 3, 2)),
    ("sample", "launch_digest", "other", (2, 33, 2)),
    ("sample", "platform_version/major", 2, (97, 3, 2)),
    ("sample", "platform_version/minor", 3, (97, 3, 2)),
    ("sample", "platform_version/minor", "9", (97, 3, 2)),
    ("sample", "debug", True, (2, 3, 36)),
    ("sample", "debug", ..., (2, 3, 36)),
    ("snp", "reported_tcb_bootloader", 1, (97, 3, 2)),
    ("snp", "reported_tcb_microcode", ..., (97, 3, 2)),
    ("snp", "reported_tcb_snp", "23", (97, 3, 2)),
    ("snp", "reported_tcb_tee", 7, (97, 3, 2)),
    ("snp", "measurement", "00", (2, 33, 2)),
    ("snp", "policy_debug_allowed", True, (2, 3, 36)),
    ("snp", "policy_debug_allowed", ..., (2, 3, 36)),
    ("snp", "policy_migrate_ma", True, (2, 3, 36)),
    ("snp", "platform_smt_enabled", False, (2, 3, 36)),
    ("snp", "policy_single_socket", True, (2, 3, 36)),
    ("tdx", "quote/header/tee_type", "00000000", (97, 3, 2)),
    ("tdx", "quote/header/vendor_id", "00", (97, 3, 2)),
    ("tdx", "quote/body/mr_td", "00", (97, 3, 2)),
    ("tdx", "tcb_status", "OutOfDate", (97, 3, 2)),
    ("tdx", "tcb_status", ..., (97, 3, 2)),
    ("tdx", "collateral_expiration_status", "1", (97, 3, 2)),
    ("tdx", "quote/body/rtmr_1", "00", (2, 33, 2)),
    ("tdx", "quote/body/rtmr_2", "00", (2, 33, 2)),
    ("tdx", "uefi_event_logs", [], (2, 4, 2)),
    ("tdx", "uefi_event_logs", ..., (2, 4, 2)),
    ("tdx", "uefi_event_logs/0/digests", [{"alg": "SHA-384", "digest": "cc"}], (2, 4, 2)),
    ("tdx", "uefi_event_logs/1/digests", [], (2, 4, 2)),
    ("tdx", "td_attributes/debug", True, (2, 3, 36)),
    ("tdx", "td_attributes/migratable", True, (2, 3, 36)),
    ("tdx", "td_attributes/profiling", True, (2, 3, 36)),
    ("tdx", "td_attributes/reserved", "0200000000000000", (2, 3, 36)),
    ("tdx", "quote/body/xfam", "00", (2, 3, 36)),
    ("sgx", "tcb_status", "OutOfDate", (97, 3, 2)),
    ("sgx", "collateral_expiration_status", "1", (97, 3, 2)),
    ("sgx", "header/vendor_id", "00", (97, 3, 2)),
    ("sgx", "body/mr_enclave", "00", (2, 33, 2)),
    ("sgx", "body/attributes.flags", "0700000000000000", (2, 3, 36)),
    ("sgx", "body/attributes.flags", "", (2, 3, 36)),
    ("az-snp-vtpm", "policy_debug_allowed", "true", (2, 3, 36)),
    ("az-snp-vtpm", "policy_debug_allowed", ..., (2, 3, 36)),
    ("az-snp-vtpm", "policy_smt_allowed", "false", (2, 3, 36)),
    ("az-snp-vtpm", "reported_tcb_snp", "1", (97, 3, 2)),
    ("az-snp-vtpm", "tpm/pcr11", "11", (2, 33, 2)),
    ("az-tdx-vtpm", "td_attributes/debug", True, (2, 3, 36)),
    ("az-tdx-vtpm", "td_attributes/migratable", True, (2, 3, 36)),
    ("az-tdx-vtpm", "collateral_expiration_status", "1", (97, 3, 2)),
    ("az-tdx-vtpm", "tcb_status", "Revoked", (97, 3, 2)),
    ("az-tdx-vtpm", "tpm/pcr11", "11", (2, 33, 2)),
    ("tpm", "ak_public", "other", (97, 33, 0)),
    ("tpm", "pcr11", "11", (2, 33, 0)),
]


@pytest.mark.parametrize(("tee", "path", "to", "expected"), WORSE)
def test_a_claim_that_is_not_met_shows(
    tee: str, path: str, to: Any, expected: tuple[int, int, int]
) -> None:
    """Each condition stands for itself."""
    good, values, _ = GOOD[tee]
    assert judged("default_cpu", {tee: changed(good, path, to)}, values) == expected


@pytest.mark.parametrize("tee", ["tdx", "sgx", "az-tdx-vtpm"])
def test_a_tcb_that_is_out_of_date_is_borne_while_the_claim_says_so(tee: str) -> None:
    """Only while it does, only for what is out of date, and not by documents that are over."""
    good, values, expected = GOOD[tee]
    outdated = good | {"tcb_status": "OutOfDate"}
    borne = outdated | {"tcb_grace_until": "2026-06-01T00:00:00Z"}
    assert judged("default_cpu", {tee: borne}, values) == expected
    refused = (97, *expected[1:])
    for claims in (
        outdated,
        outdated | {"tcb_recovery_date": "2026-01-01T00:00:00Z"},
        outdated | {"tcb_grace_until": None},
        borne | {"tcb_status": "OutOfDateConfigurationNeeded"},
        borne | {"collateral_expiration_status": "1"},
    ):
        assert judged("default_cpu", {tee: claims}, values) == refused


def test_a_missing_minimum_is_no_minimum() -> None:
    """Upstream's order of types puts every number above ``null`` (wire.md 14.2, 38)."""
    values = {name: SAMPLE_VALUES[name] for name in ("svn", "launch_digest", "major_version")}
    assert judged("default_cpu", {"sample": SAMPLE}, values) == (97, 3, 2)


def test_snp_without_expectations_has_no_known_faults() -> None:
    """No configuration is registered: 3, as upstream; of the same tier as 2."""
    assert judged("default_cpu", {"snp": SNP}, FEW_SNP_VALUES) == (2, 3, 3)


def test_snp_does_not_pass_over_an_expectation_that_is_missed() -> None:
    """One that is registered and not met is a warning, where upstream still said 3."""
    values = FEW_SNP_VALUES | {"snp_smt_enabled": not SNP["platform_smt_enabled"]}
    assert judged("default_cpu", {"snp": SNP}, values) == (2, 3, 36)
    values = FEW_SNP_VALUES | {"snp_smt_enabled": SNP["platform_smt_enabled"]}
    assert judged("default_cpu", {"snp": SNP}, values) == (2, 3, 3)


def test_event_content_is_not_believed() -> None:
    """Only digests are proved by the registers: a renamed event is neither better nor worse."""
    renamed = changed(TDX, "uefi_event_logs/0/details", {"device_paths": ["File(other)"]})
    assert judged("default_cpu", {"tdx": renamed}, TDX_VALUES) == (2, 3, 2)
    claimed = changed(TDX, "uefi_event_logs/0/digests", [{"alg": "SHA-384", "digest": "cc"}])
    assert judged("default_cpu", {"tdx": claimed}, TDX_VALUES) == (2, 4, 2)


def test_an_enclave_can_be_known_by_its_signer() -> None:
    """Signer, product and version together; the signer alone signs other enclaves too."""
    assert judged("default_cpu", {"sgx": SGX}, SGX_SIGNER_VALUES) == (2, 4, 2)
    for name in SGX_SIGNER_VALUES:
        fewer = {key: value for key, value in SGX_SIGNER_VALUES.items() if key != name}
        assert judged("default_cpu", {"sgx": SGX}, fewer) == (2, 33, 2)


@pytest.mark.parametrize("digit", "0123456789abcdef")
def test_debug_enclaves_are_told_by_one_bit(digit: str) -> None:
    """Whatever the other bits of the flags are."""
    flags = f"0{digit}00000000000000"
    expected = 36 if int(digit, 16) & 2 else 2
    sgx = changed(SGX, "body/attributes.flags", flags)
    assert judged("default_cpu", {"sgx": sgx}, SGX_VALUES) == (2, 3, expected)


CONTAINER = {
    "OCI": {
        "Annotations": {"io.kubernetes.cri.image-name": "pause"},
        "Process": {"User": {"UID": 65535}},
    }
}
IDENTIFIERS = [
    ({}, {}),
    ({"init_data_claims": None}, {}),
    ({"init_data_claims": {"agent_policy_claims": {"containers": []}}}, {}),
    ({"init_data_claims": {"agent_policy_claims": {"containers": "text"}}}, {}),
    ({"init_data_claims": {"agent_policy_claims": {"containers": [None, 7, "text"]}}}, {}),
    ({"init_data_claims": {"agent_policy_claims": []}}, {}),
    (
        {"init_data_claims": {"agent_policy_claims": {"containers": [CONTAINER, {"OCI": {}}]}}},
        {"container_images": ["pause"], "container_uids": [65535]},
    ),
]


@pytest.mark.parametrize(("policy_input", "validated"), IDENTIFIERS)
def test_the_identifiers_are_those_of_the_agent_policy(
    policy_input: dict[str, Any], validated: dict[str, Any]
) -> None:
    """The extension is always there; what was not measured is not in it."""
    (extension,) = agreed(default_policy("default_cpu"), "extensions", policy_input, values={})
    assert extension == {
        "name": "ear.trustee.identifiers",
        "key": -18,
        "value": {"validated": validated},
    }


CHAIN = {"x-nvidia-cert-ocsp-status": "good", "x-nvidia-cert-status": "valid"}


def nvidia(kind: str, parts: list[str], version: dict[str, str]) -> dict[str, Any]:
    """Claims of NRAS about a device of a kind, all of them good."""
    checks = ["fetched", "measurements-available", "schema-validated", "signature-verified"]
    found: dict[str, Any] = {
        "secboot": True,
        "dbgstat": "disabled",
        "measres": "success",
        f"x-nvidia-{kind}-attestation-report-cert-chain": CHAIN,
        f"x-nvidia-{kind}-attestation-report-cert-chain-fwid-match": True,
        f"x-nvidia-{kind}-attestation-report-parsed": True,
        f"x-nvidia-{kind}-attestation-report-signature-verified": True,
        f"x-nvidia-{kind}-arch-check": True,
        **version,
    }
    for part in parts:
        found[f"x-nvidia-{kind}-{part}-rim-cert-chain"] = CHAIN
        found |= {f"x-nvidia-{kind}-{part}-rim-{check}": True for check in checks}
        found[f"x-nvidia-{kind}-{part}-rim-version-match"] = True
    return found


GPU = nvidia(
    "gpu",
    ["driver", "vbios"],
    {"x-nvidia-gpu-vbios-version": "96", "x-nvidia-gpu-driver-version": "550"},
)
GPU_VALUES = {"allowed_vbios_versions": ["96"], "allowed_driver_versions": ["550"]}
SWITCH = nvidia("switch", ["bios"], {"x-nvidia-switch-bios-version": "1"})
SWITCH_VALUES = {"allowed_switch_bios_versions": ["1"]}
DEVICES = [
    ("default_gpu", GPU, GPU_VALUES, (2, 3, 2)),
    ("default_gpu", GPU, {}, (2, 3, 3)),
    ("default_gpu", {"arch": "HOPPER", "measurements": {}}, GPU_VALUES, UNKNOWN),
    ("default_switch", SWITCH, SWITCH_VALUES, (2, 3, 2)),
    ("default_switch", SWITCH, {}, (2, 3, 3)),
    ("default_switch", {}, SWITCH_VALUES, UNKNOWN),
    ("default_ppcie", {}, {}, (0, 0, 2)),
]


@pytest.mark.parametrize(("policy", "device", "values", "expected"), DEVICES)
def test_devices(
    policy: str, device: dict[str, Any], values: dict[str, Any], expected: tuple[int, int, int]
) -> None:
    """Devices are judged by what NVIDIA's service says of them."""
    assert judged(policy, {"nvidia": device}, values) == expected


@pytest.mark.parametrize(("policy", "device"), [("default_gpu", GPU), ("default_switch", SWITCH)])
def test_every_claim_of_a_device_counts(policy: str, device: dict[str, Any]) -> None:
    """Without any one of its claims, and with any flag false, a device is judged worse."""
    values = GPU_VALUES | SWITCH_VALUES
    ignored = {"x-nvidia-gpu-driver-rim-cert-chain"}
    for name in device.keys() - ignored:
        for to in (..., False):
            found = judged(policy, {"nvidia": changed(device, name, to)}, values)
            assert found != (2, 3, 2), name


HOPPER = claims("nvidia/hopper_coco_report1.claims.json")
HOPPER_VALUES = {
    "gpu_fwids": [HOPPER["config"]["fwid"]],
    "gpu_measurements": {index: [value] for index, value in HOPPER["measurements"].items()},
    "allowed_vbios_versions": [HOPPER["config"]["vbios_version"]],
    "allowed_driver_versions": [HOPPER["config"]["driver_version"]],
}
WORSE_HOPPER: list[tuple[str, Any, tuple[int, int, int]]] = [
    ("config/fwid", "00", (97, 3, 2)),
    ("config/fwid", ..., (97, 3, 2)),
    ("config/vbios_version", "1", (2, 3, 36)),
    ("config/driver_version", ..., (2, 3, 36)),
    ("measurements", {}, (2, 33, 2)),
    ("measurements", ..., (2, 33, 2)),
    ("measurements/1", "11", (2, 33, 2)),
    ("measurements/2", HOPPER["measurements"]["1"], (2, 33, 2)),
    ("measurements/65", "00", (2, 33, 2)),
]


def test_a_gpu_that_is_verified_here_is_affirmed_by_reference_values() -> None:
    """Where upstream has no policy that can accept it (wire.md 14.2, 42)."""
    assert judged("default_gpu", {"nvidia": HOPPER}, HOPPER_VALUES) == (2, 3, 2)
    assert judged("default_gpu", {"nvidia": HOPPER}, {}) == UNKNOWN
    for name in HOPPER_VALUES:
        fewer = {key: value for key, value in HOPPER_VALUES.items() if key != name}
        assert judged("default_gpu", {"nvidia": HOPPER}, fewer) != (2, 3, 2)


@pytest.mark.parametrize(("path", "to", "expected"), WORSE_HOPPER)
def test_every_claim_of_a_gpu_that_is_verified_here_counts(
    path: str, to: Any, expected: tuple[int, int, int]
) -> None:
    """One block of another value is enough; a block that nobody knows too."""
    policy_input = {"nvidia": changed(HOPPER, path, to)}
    assert judged("default_gpu", policy_input, HOPPER_VALUES) == expected


def test_a_gpu_that_was_compared_with_manifests_needs_no_list_of_measurements() -> None:
    """Of driver and firmware both, whose signers could still sign; the rest needs its values."""
    told = {"version": "1", "sha256": "00", "signer_current": True}
    compared = HOPPER | {"manifests": {"driver": told, "vbios": told}}
    values = {name: value for name, value in HOPPER_VALUES.items() if name != "gpu_measurements"}
    assert judged("default_gpu", {"nvidia": compared}, values) == (2, 3, 2)
    assert judged("default_gpu", {"nvidia": compared}, {}) == (97, 3, 36)
    other = values | {"gpu_measurements": {"1": ["11"]}}
    assert judged("default_gpu", {"nvidia": compared}, other) == (2, 33, 2)
    for path in ("manifests/driver", "manifests/vbios"):
        for place, to in ((path, ...), (f"{path}/signer_current", False), (path, {})):
            worse = changed(compared, place, to)
            assert judged("default_gpu", {"nvidia": worse}, values) == (2, 33, 2)


DPU = claims("synthetic/dpu/evidence.claims.json")
DPU_VALUES = {
    "dpu_device_classes": [DPU["device_class"]],
    "dpu_accumulated_fwids": [DPU["accumulated_fwid"]],
    "dpu_firmware_layers_counts": [DPU["firmware_layers_count"]],
}
(DCU,) = claims("synthetic/dcu/evidence.claims.json")
DCU_VALUES = {
    "dcu_chip_ids": [DCU["body"]["chip_id"]],
    "dcu_measures": [DCU["body"]["measure"]],
    "dcu_report_versions": [DCU["body"]["version"]],
}
ACCELERATORS = {
    "nvidia-dpu": ("default_nvidia-dpu", DPU, DPU_VALUES),
    "hygondcu": ("default_dcu", DCU, DCU_VALUES),
}
WORSE_ACCELERATORS: list[tuple[str, str, Any, tuple[int, int, int]]] = [
    ("nvidia-dpu", "device_class", "other", (97, 3, 2)),
    ("nvidia-dpu", "device_class", ..., (97, 3, 2)),
    ("nvidia-dpu", "accumulated_fwid", "00", (2, 33, 2)),
    ("nvidia-dpu", "firmware_layers_count", 2, (2, 3, 36)),
    ("nvidia-dpu", "firmware_layers_count", 0, (2, 33, 36)),
    ("nvidia-dpu", "session_nonce", ..., (2, 3, 36)),
    ("hygondcu", "body/chip_id", "00", (97, 3, 2)),
    ("hygondcu", "body/measure", "00", (2, 33, 2)),
    ("hygondcu", "body/measure", ..., (2, 33, 2)),
    ("hygondcu", "body/version", 2, (2, 3, 36)),
]


@pytest.mark.parametrize("tee", ACCELERATORS)
def test_accelerators_are_affirmed_by_reference_values_only(tee: str) -> None:
    """There is a policy for each class, and it says nothing good by itself (wire.md 14.2, 43)."""
    policy, good, values = ACCELERATORS[tee]
    assert judged(policy, {tee: good}, values) == (2, 3, 2)
    assert judged(policy, {tee: good}, {}) == UNKNOWN
    assert judged(policy, {}, values) == UNKNOWN
    assert judged(policy, {"other": good}, values) == UNKNOWN


@pytest.mark.parametrize(("tee", "path", "to", "expected"), WORSE_ACCELERATORS)
def test_every_claim_of_an_accelerator_counts(
    tee: str, path: str, to: Any, expected: tuple[int, int, int]
) -> None:
    """Each condition stands for itself."""
    policy, good, values = ACCELERATORS[tee]
    assert judged(policy, {tee: changed(good, path, to)}, values) == expected


SUBMODS = [
    ({}, False),
    ({"submods": {}}, False),
    ({"submods": []}, False),
    ({"submods": None}, False),
    ({"submods": "affirming"}, False),
    ({"submods": {"cpu0": {}}}, False),
    ({"submods": {"cpu0": {"ear.status": "none"}}}, False),
    ({"submods": {"cpu0": {"ear.status": "warning"}}}, False),
    ({"submods": {"cpu0": {"ear.status": "affirming"}}}, True),
    ({"submods": {"cpu0": {"ear.status": "affirming"}, "gpu0": {}}}, False),
    (
        {"submods": {"cpu0": {"ear.status": "affirming"}, "gpu0": {"ear.status": "affirming"}}},
        True,
    ),
]


@pytest.mark.parametrize(("token", "allowed"), SUBMODS)
def test_the_default_resource_policy_releases_to_affirmed_guests_only(
    token: dict[str, Any], allowed: bool
) -> None:
    """Every part of the guest, and only from the resource plugin (wire.md 14.1, 1)."""
    text = RESOURCE_POLICY.read_text(encoding="utf-8")
    for plugin in ("resource", "pkcs11"):
        data = {"plugin": plugin, "resource-path": ["a", "b", "c"], "query": {}}
        assert agreed(text, "allow", token, data=data) is (allowed and plugin == "resource")


@pytest.mark.parametrize("policy_id", DEFAULT_POLICY_IDS)
def test_default_policies_pass_their_own_check(policy_id: str) -> None:
    """What is installed could also have been set."""
    policy = PolicyText.of(f"{policy_id}.rego", default_policy(policy_id))
    check_attestation_policy(policy, RegorusEngine())


def test_every_policy_in_the_tree_is_tested() -> None:
    """A policy that is added is added here too; ready ones are tried in ``test_templates.py``."""
    found = {path for path in (ROOT / "app").rglob("*.rego") if "ready_policies" not in path.parts}
    defaults = Path(ROOT / "app" / "attestation" / "default_policies")
    assert found == {RESOURCE_POLICY, *(defaults / f"{each}.rego" for each in DEFAULT_POLICY_IDS)}
