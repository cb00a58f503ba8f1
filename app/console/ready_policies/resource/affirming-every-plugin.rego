# Everything that this server has for guests of which every part is affirming, of whatever plugin.
#
# A policy that asks for `data.plugin == "resource"` refuses the other plugins; this one does not.

package policy

import rego.v1

default allow := false

allow if affirming

affirming if {
	is_object(input.submods)
	count(input.submods) > 0
	every _, submod in input.submods {
		submod["ear.status"] == "affirming"
	}
}
