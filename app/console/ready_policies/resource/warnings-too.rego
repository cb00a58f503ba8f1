# Secrets for affirming guests and for those with warnings, never for contraindicated ones.
#
# For a while after an update whose measurements are not registered yet; tighten it afterwards.

package policy

import rego.v1

default allow := false

allow if {
	data.plugin == "resource"
	is_object(input.submods)
	count(input.submods) > 0
	every _, submod in input.submods {
		submod["ear.status"] in {"affirming", "warning"}
	}
}
