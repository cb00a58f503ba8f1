# Learning what runs: genuine processors of any kind are a warning, whatever software they run.
#
# For the first days, while the measurements of your guests are being collected. A resource policy
# that wants affirming guests releases nothing to them; what a guest claimed is in its decisions.

package policy

import rego.v1

trusted_kinds := {"snp", "tdx", "sgx", "az-snp-vtpm", "az-tdx-vtpm", "se"}

default hardware := 97

# Its verifier has checked the signature up to the vendor's root before any policy is asked.
hardware := 32 if {
	some kind in trusted_kinds
	input[kind]
}

trust_claims := {"hardware": hardware, "executables": 33, "configuration": 36}
