# The default attestation policy for Hygon's accelerators (DCU).
#
# The verifier has proved the chain, the signature and the binding; which firmware is wanted, only
# reference values say. What the numbers say stands in default_cpu.rego.

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

report := input.hygondcu.body

# A chip that the operator has.
hardware := 2 if listed(report.chip_id, "dcu_chip_ids")

executables := 3 if listed(report.measure, "dcu_measures")

# Reports of the form that was registered, which says what the measurement covers.
configuration := 2 if listed(report.version, "dcu_report_versions")

listed(value, name) if value in query_reference_value(name)
