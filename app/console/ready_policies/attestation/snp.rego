# AMD SEV-SNP: firmware, launch measurement and guest policy, each against reference values.
#
#   hardware       snp_bootloader, snp_microcode, snp_snp_svn, snp_tee_svn: lists of accepted versions
#   executables    snp_launch_measurement: a list of accepted measurements
#   configuration  no debugging and no migration agent

package policy

import rego.v1

default hardware := 97

default executables := 33

default configuration := 36

trust_claims := {"hardware": hardware, "executables": executables, "configuration": configuration}

# The value is in the list that is registered.
listed(value, name) if value in query_reference_value(name)

hardware := 2 if {
	listed(input.snp.reported_tcb_bootloader, "snp_bootloader")
	listed(input.snp.reported_tcb_microcode, "snp_microcode")
	listed(input.snp.reported_tcb_snp, "snp_snp_svn")
	listed(input.snp.reported_tcb_tee, "snp_tee_svn")
}

executables := 3 if listed(input.snp.measurement, "snp_launch_measurement")

configuration := 2 if {
	input.snp.policy_debug_allowed == false
	input.snp.policy_migrate_ma == false
}
