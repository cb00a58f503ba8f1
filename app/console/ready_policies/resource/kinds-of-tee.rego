# Secrets for affirming guests on SEV-SNP or TDX, and on nothing else.
#
# Change the set to the wire names of the TEEs that you accept.

package policy

import rego.v1

accepted_kinds := {"snp", "tdx"}

default allow := false

allow if {
	data.plugin == "resource"
	affirming
	some kind in accepted_kinds
	input.submods.cpu0["ear.veraison.annotated-evidence"][kind]
}

affirming if {
	is_object(input.submods)
	count(input.submods) > 0
	every _, submod in input.submods {
		submod["ear.status"] == "affirming"
	}
}
