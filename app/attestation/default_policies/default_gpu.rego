# The default attestation policy for graphics processors.
#
# It reads the claims of NVIDIA's remote attestation service (NRAS); local verification has none of
# them, so it affirms nothing here. What the numbers say stands in default_cpu.rego.

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

gpu := input.nvidia

# The device signed its report, with a key that its vendor certified and has not revoked.
hardware := 2 if {
	good_chain(gpu["x-nvidia-gpu-attestation-report-cert-chain"])
	gpu["x-nvidia-gpu-attestation-report-cert-chain-fwid-match"]
	gpu["x-nvidia-gpu-attestation-report-parsed"]
	gpu["x-nvidia-gpu-attestation-report-signature-verified"]
	gpu["x-nvidia-gpu-arch-check"]
}

# Its measurements are those of the vendor's reference manifests, which are signed themselves.
executables := 3 if {
	gpu.measres == "success"
	good_chain(gpu["x-nvidia-gpu-vbios-rim-cert-chain"])
	good_manifest("driver")
	good_manifest("vbios")
}

configuration := 2 if {
	closed
	listed(gpu["x-nvidia-gpu-vbios-version"], "allowed_vbios_versions")
	listed(gpu["x-nvidia-gpu-driver-version"], "allowed_driver_versions")
} else := 3 if closed

closed if {
	gpu.secboot
	gpu.dbgstat == "disabled"
}

good_chain(chain) if {
	chain["x-nvidia-cert-status"] == "valid"
	chain["x-nvidia-cert-ocsp-status"] == "good"
}

good_manifest(part) if {
	every check in ["fetched", "measurements-available", "schema-validated", "signature-verified", "version-match"] {
		gpu[concat("", ["x-nvidia-gpu-", part, "-rim-", check])]
	}
}

listed(value, name) if value in query_reference_value(name)
