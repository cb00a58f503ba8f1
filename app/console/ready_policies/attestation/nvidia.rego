# NVIDIA graphics processors that are verified here: device identity, firmware and driver.
#
#   hardware       gpu_fwids: a list of accepted firmware identities
#   executables    gpu_measurements: an object with a list of accepted blocks for each index
#   configuration  allowed_vbios_versions and allowed_driver_versions: lists

package policy

import rego.v1

default hardware := 97

default executables := 33

default configuration := 36

trust_claims := {"hardware": hardware, "executables": executables, "configuration": configuration}

# The value is in the list that is registered.
listed(value, name) if value in query_reference_value(name)

# The key that signed was made for firmware that is known.
hardware := 2 if listed(input.nvidia.config.fwid, "gpu_fwids")

# Every block that the device measured has a value that is known for this block.
executables := 3 if {
	count(input.nvidia.measurements) > 0
	every index, value in input.nvidia.measurements {
		value in query_reference_value("gpu_measurements")[index]
	}
}

configuration := 2 if {
	listed(input.nvidia.config.vbios_version, "allowed_vbios_versions")
	listed(input.nvidia.config.driver_version, "allowed_driver_versions")
}
