# The default attestation policy for a protected PCIe topology.
#
# There is such evidence only after the verifier has found eight graphics processors and four
# switches that vouch for each other; each of them is judged by its own policy.

package policy

import rego.v1

trust_claims := {
	"configuration": 2,
	"hardware": 0,
	"executables": 0,
	"instance-identity": 0,
	"file-system": 0,
	"runtime-opaque": 0,
	"storage-opaque": 0,
	"sourced-data": 0,
}
