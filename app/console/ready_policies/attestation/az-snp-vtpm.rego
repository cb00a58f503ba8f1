# Azure confidential virtual machine on SEV-SNP: firmware by its versions, system by PCR 11.
#
#   hardware       tcb_bootloader, tcb_microcode, tcb_snp, tcb_tee: lists of accepted versions, texts
#   executables    measurement and snp_pcr11: lists of accepted measurements and register values
#   configuration  no debugging

package policy

import rego.v1

default hardware := 97

default executables := 33

default configuration := 36

trust_claims := {"hardware": hardware, "executables": executables, "configuration": configuration}

# The value is in the list that is registered.
listed(value, name) if value in query_reference_value(name)

az := input["az-snp-vtpm"]

hardware := 2 if {
	listed(az.reported_tcb_bootloader, "tcb_bootloader")
	listed(az.reported_tcb_microcode, "tcb_microcode")
	listed(az.reported_tcb_snp, "tcb_snp")
	listed(az.reported_tcb_tee, "tcb_tee")
}

executables := 3 if {
	listed(az.measurement, "measurement")
	listed(az.tpm.pcr11, "snp_pcr11")
}

# The claims of this TEE are texts.
configuration := 2 if az.policy_debug_allowed == "false"
