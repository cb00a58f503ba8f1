# Each tenant's guests get the secrets of the repository that is called like the tenant.
#
# Init data say which tenant a guest belongs to, in a file `tenant`; the hardware binds them.

package policy

import rego.v1

default allow := false

allow if {
	data.plugin == "resource"
	affirming
	guest := input.submods.cpu0["ear.veraison.annotated-evidence"]
	guest.init_data_claims.tenant == data["resource-path"][0]
}

affirming if {
	is_object(input.submods)
	count(input.submods) > 0
	every _, submod in input.submods {
		submod["ear.status"] == "affirming"
	}
}
