# The default attestation policy for processors.
#
# `input` holds the verified claims of one TEE under its wire name. `query_reference_value` gives the
# reference value of a name, or null. Three claims of the trust vector (AR4SI) are judged:
#
#   hardware       2 genuine and current                97 not known to be
#   executables    3 known, 4 known by fewer registers  33 not known
#   configuration  2 approved, 3 without known faults   36 not known to be
#
# Nothing is affirmed that no reference value stands behind, but what the TEE's own checks prove.

package policy

import rego.v1

default hardware := 97

default executables := 33

default configuration := 36

trust_claims := {
	"hardware": hardware,
	"executables": executables,
	"configuration": configuration,
	"instance-identity": 0,
	"file-system": 0,
	"runtime-opaque": 0,
	"storage-opaque": 0,
	"sourced-data": 0,
}

# --- Comparing with reference values ------------------------------------------

# The value is in the list that is registered.
listed(value, name) if value in query_reference_value(name)

# The value is the one that is registered. A value that is not registered is null, and null is not
# an expectation that a missing claim could meet.
equals(value, name) if {
	expected := query_reference_value(name)
	not is_null(expected)
	value == expected
}

# The value is at least the number that is registered. Rego orders values of different types, so
# both have to be numbers.
at_least(value, name) if {
	minimum := query_reference_value(name)
	is_number(minimum)
	is_number(value)
	value >= minimum
}

# The value is the one that is registered, or none is.
unopposed(value, name) if equals(value, name)

unopposed(value, name) if {
	not is_null(value)
	is_null(query_reference_value(name))
}

# --- sample: proves nothing, for trying things out ----------------------------

hardware := 2 if {
	listed(input.sample.svn, "svn")
	equals(input.sample.platform_version.major, "major_version")
	at_least(input.sample.platform_version.minor, "minimum_minor_version")
}

executables := 3 if listed(input.sample.launch_digest, "launch_digest")

configuration := 2 if input.sample.debug == false

# --- AMD SEV-SNP --------------------------------------------------------------

hardware := 2 if {
	listed(input.snp.reported_tcb_bootloader, "snp_bootloader")
	listed(input.snp.reported_tcb_microcode, "snp_microcode")
	listed(input.snp.reported_tcb_snp, "snp_snp_svn")
	listed(input.snp.reported_tcb_tee, "snp_tee_svn")
}

executables := 3 if listed(input.snp.measurement, "snp_launch_measurement")

# 2 when every expectation is registered and met, 3 when none that is registered is missed.
configuration := 2 if {
	snp_closed
	equals(input.snp.platform_smt_enabled, "snp_smt_enabled")
	equals(input.snp.platform_tsme_enabled, "snp_tsme_enabled")
	equals(input.snp.policy_abi_major, "snp_guest_abi_major")
	equals(input.snp.policy_abi_minor, "snp_guest_abi_minor")
	equals(input.snp.policy_single_socket, "snp_single_socket")
	equals(input.snp.policy_smt_allowed, "snp_smt_allowed")
} else := 3 if {
	snp_closed
	unopposed(input.snp.platform_smt_enabled, "snp_smt_enabled")
	unopposed(input.snp.platform_tsme_enabled, "snp_tsme_enabled")
	unopposed(input.snp.policy_abi_major, "snp_guest_abi_major")
	unopposed(input.snp.policy_abi_minor, "snp_guest_abi_minor")
	unopposed(input.snp.policy_single_socket, "snp_single_socket")
	unopposed(input.snp.policy_smt_allowed, "snp_smt_allowed")
}

# The host can neither debug the guest nor move it to a migration agent.
snp_closed if {
	input.snp.policy_debug_allowed == false
	input.snp.policy_migrate_ma == false
}

# --- Intel TDX ----------------------------------------------------------------

hardware := 2 if {
	intel_trust_domain(input.tdx)
	listed(input.tdx.quote.body.mr_td, "mr_td")
}

executables := 3 if {
	tdx_boot_listed
	tdx_event_digest("EV_EFI_BOOT_SERVICES_APPLICATION", "tdvfkernel")
	tdx_event_digest("EV_EVENT_TAG", "tdvfkernelparams")
} else := 4 if tdx_boot_listed

configuration := 2 if {
	input.tdx.td_attributes.debug == false
	trust_domain_closed(input.tdx.td_attributes)
	listed(input.tdx.quote.body.xfam, "xfam")
}

tdx_boot_listed if {
	listed(input.tdx.quote.body.rtmr_1, "rtmr_1")
	listed(input.tdx.quote.body.rtmr_2, "rtmr_2")
}

# An event's digest is what the registers prove. Its content is proved only when
# `digest_matches_event` says so, which for a loaded image or its options never holds (their digests
# are of what was loaded), so paths and texts of these events are not asked for.
tdx_event_digest(type_name, name) if {
	some event in input.tdx.uefi_event_logs
	event.type_name == type_name
	some entry in event.digests
	equals(entry.digest, name)
}

intel_trust_domain(claims) if {
	claims.quote.header.tee_type == "81000000"
	claims.quote.header.vendor_id == "939a7233f79c4ca9940a0db3957f0607"
	intel_current(claims)
}

# Intel's judgement of the platform, by collateral that has not expired.
intel_current(claims) if {
	claims.tcb_status == "UpToDate"
	claims.collateral_expiration_status == "0"
}

# What is out of date is borne for as long as the verifier's options say; the claim is there until
# then and no longer.
intel_current(claims) if {
	claims.tcb_status == "OutOfDate"
	is_string(claims.tcb_grace_until)
	claims.collateral_expiration_status == "0"
}

# The host can neither profile the TD nor have it moved, and no bit is set whose meaning is not known
# here; these are claims only where they are so.
trust_domain_closed(attributes) if {
	not attributes.migratable
	not attributes.profiling
	not attributes.reserved
}

# --- Intel SGX ----------------------------------------------------------------

hardware := 2 if {
	input.sgx.header.vendor_id == "939a7233f79c4ca9940a0db3957f0607"
	intel_current(input.sgx)
}

# An enclave is known by its measurement, or by its signer, product and version together.
executables := 3 if listed(input.sgx.body.mr_enclave, "mr_enclave")
else := 4 if {
	listed(input.sgx.body.mr_signer, "mr_signer")
	listed(input.sgx.body.isv_prod_id, "isv_prod_id")
	listed(input.sgx.body.isv_svn, "isv_svn")
}

# Bit 1 of the flags is DEBUG (Intel SDM volume 3D, table 34-3); they are hex, least byte first, so
# the second digit has it.
configuration := 2 if {
	digit := substring(input.sgx.body["attributes.flags"], 1, 1)
	digit in {"0", "1", "4", "5", "8", "9", "c", "d"}
}

# --- Azure confidential virtual machines: a TPM inside SNP or TDX -------------

az_snp := input["az-snp-vtpm"]

hardware := 2 if {
	listed(az_snp.reported_tcb_bootloader, "tcb_bootloader")
	listed(az_snp.reported_tcb_microcode, "tcb_microcode")
	listed(az_snp.reported_tcb_snp, "tcb_snp")
	listed(az_snp.reported_tcb_tee, "tcb_tee")
}

executables := 3 if {
	listed(az_snp.measurement, "measurement")
	listed(az_snp.tpm.pcr11, "snp_pcr11")
}

# The claims of this TEE are texts.
configuration := 2 if {
	az_snp.policy_debug_allowed == "false"
	listed(az_snp.platform_smt_enabled, "smt_enabled")
	listed(az_snp.platform_tsme_enabled, "tsme_enabled")
	listed(az_snp.policy_abi_major, "abi_major")
	listed(az_snp.policy_abi_minor, "abi_minor")
	listed(az_snp.policy_single_socket, "single_socket")
	listed(az_snp.policy_smt_allowed, "smt_allowed")
}

az_tdx := input["az-tdx-vtpm"]

hardware := 2 if {
	intel_trust_domain(az_tdx)
	listed(az_tdx.quote.body.mr_td, "mr_td")
}

executables := 3 if listed(az_tdx.tpm.pcr11, "tdx_pcr11")

configuration := 2 if {
	az_tdx.td_attributes.debug == false
	trust_domain_closed(az_tdx.td_attributes)
	listed(az_tdx.quote.body.xfam, "xfam")
}

# --- A TPM alone --------------------------------------------------------------

# The key comes with the evidence, so it stands for a TPM only when it is known.
hardware := 2 if listed(input.tpm.ak_public, "trusted_aks")

executables := 3 if {
	listed(input.tpm.ak_public, "trusted_aks")
	listed(input.tpm.pcr11, "tpm_pcr11")
}

configuration := 0 if input.tpm

# --- IBM Secure Execution: its verifier compares the image itself -------------

hardware := 2 if input.se

executables := 3 if input.se

configuration := 2 if input.se

# --- Who the guest is, by the policy of its agent -----------------------------

extensions := [{
	"name": "ear.trustee.identifiers",
	"key": -18,
	"value": {"validated": {name: list |
		some name, list in {"container_images": container_images, "container_uids": container_uids}
		count(list) > 0
	}},
}]

default containers := []

containers := input.init_data_claims.agent_policy_claims.containers if {
	is_array(input.init_data_claims.agent_policy_claims.containers)
}

container_images := [image |
	some container in containers
	image := container.OCI.Annotations["io.kubernetes.cri.image-name"]
]

container_uids := [uid |
	some container in containers
	uid := container.OCI.Process.User.UID
]
