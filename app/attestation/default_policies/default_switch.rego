# The default attestation policy for switches between graphics processors.
#
# It reads the claims of NVIDIA's remote attestation service (NRAS). What the numbers say stands in
# default_cpu.rego.

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

nvswitch := input.nvidia

hardware := 2 if {
	good_chain(nvswitch["x-nvidia-switch-attestation-report-cert-chain"])
	nvswitch["x-nvidia-switch-attestation-report-cert-chain-fwid-match"]
	nvswitch["x-nvidia-switch-attestation-report-parsed"]
	nvswitch["x-nvidia-switch-attestation-report-signature-verified"]
	nvswitch["x-nvidia-switch-arch-check"]
}

executables := 3 if {
	nvswitch.measres == "success"
	good_chain(nvswitch["x-nvidia-switch-bios-rim-cert-chain"])
	every check in ["fetched", "measurements-available", "schema-validated", "signature-verified", "version-match"] {
		nvswitch[concat("", ["x-nvidia-switch-bios-rim-", check])]
	}
}

configuration := 2 if {
	closed
	listed(nvswitch["x-nvidia-switch-bios-version"], "allowed_switch_bios_versions")
} else := 3 if closed

closed if {
	nvswitch.secboot
	nvswitch.dbgstat == "disabled"
}

good_chain(chain) if {
	chain["x-nvidia-cert-status"] == "valid"
	chain["x-nvidia-cert-ocsp-status"] == "good"
}

listed(value, name) if value in query_reference_value(name)
