# Secrets for guests of which every part is affirming; other plugins for nobody.

package policy

import rego.v1

default allow := false

allow if {
	data.plugin == "resource"
	affirming
}

affirming if {
	is_object(input.submods)
	count(input.submods) > 0
	every _, submod in input.submods {
		submod["ear.status"] == "affirming"
	}
}
