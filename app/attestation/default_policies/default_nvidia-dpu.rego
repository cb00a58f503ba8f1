# The default attestation policy for data processing units.
#
# The verifier has proved the chain and the signature; which devices and which firmware are wanted,
# only reference values say. What the numbers say stands in default_cpu.rego.

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

dpu := input["nvidia-dpu"]

# A kind of device that the operator expects. The root that made it was the operator's choice.
hardware := 2 if listed(dpu.device_class, "dpu_device_classes")

# A device without firmware layers proves nothing of its firmware, whatever is registered.
executables := 3 if {
	dpu.firmware_layers_count > 0
	listed(dpu.accumulated_fwid, "dpu_accumulated_fwids")
}

# The device answered to this nonce, with as many layers as were registered: none was left out.
configuration := 2 if {
	is_string(dpu.session_nonce)
	listed(dpu.firmware_layers_count, "dpu_firmware_layers_counts")
}

listed(value, name) if value in query_reference_value(name)
