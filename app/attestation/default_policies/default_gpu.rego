# The default attestation policy for graphics processors.
#
# It reads the claims of NVIDIA's remote attestation service (NRAS). Local verification has none of
# them: there, claims need reference values of the operator's, or, for what is measured, NVIDIA's
# manifests. What the numbers say stands in default_cpu.rego.

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

# Verified here: the key that signed was made for firmware that is known.
hardware := 2 if listed(gpu.config.fwid, "gpu_fwids")

# Its measurements are those of the vendor's reference manifests, which are signed themselves.
executables := 3 if {
	gpu.measres == "success"
	good_chain(gpu["x-nvidia-gpu-vbios-rim-cert-chain"])
	good_manifest("driver")
	good_manifest("vbios")
}

# Verified here: every block that the device measured has a value that is known for this block.
executables := 3 if {
	count(gpu.measurements) > 0
	every index, value in gpu.measurements {
		value in query_reference_value("gpu_measurements")[index]
	}
}

# Verified here: the verifier refuses a device whose measurements are not those of the vendor's
# manifests. Both were compared, their signers could still sign, and no list of the operator's says
# anything else.
executables := 3 if {
	is_null(query_reference_value("gpu_measurements"))
	gpu.manifests.driver.signer_current == true
	gpu.manifests.vbios.signer_current == true
}

configuration := 2 if expected else := 3 if closed

expected if {
	closed
	listed(gpu["x-nvidia-gpu-vbios-version"], "allowed_vbios_versions")
	listed(gpu["x-nvidia-gpu-driver-version"], "allowed_driver_versions")
}

expected if {
	listed(gpu.config.vbios_version, "allowed_vbios_versions")
	listed(gpu.config.driver_version, "allowed_driver_versions")
}

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
