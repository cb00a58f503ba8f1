# The default resource policy.
#
# `input` holds the claims of the verified token, `data` the request: `plugin`, `resource-path` (a
# list of segments) and `query`. Secrets are released to guests of which every part was appraised as
# affirming; the other plugins are released to nobody until a policy of yours says so.

package policy

import rego.v1

default allow := false

allow if {
	data.plugin == "resource"
	is_object(input.submods)
	count(input.submods) > 0
	every _, submod in input.submods {
		submod["ear.status"] == "affirming"
	}
}
