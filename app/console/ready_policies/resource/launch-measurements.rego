# The secrets of this scope for guests with one of these SEV-SNP launch measurements.
#
# Reference values say what is good for everybody; this says what is good for these secrets.

package policy

import rego.v1

# Replace these by the measurements of your guests, as hex.
accepted_measurements := {"measurement-1", "measurement-2"}

default allow := false

allow if {
	data.plugin == "resource"
	affirming
	guest := input.submods.cpu0["ear.veraison.annotated-evidence"]
	guest.snp.measurement in accepted_measurements
}

affirming if {
	is_object(input.submods)
	count(input.submods) > 0
	every _, submod in input.submods {
		submod["ear.status"] == "affirming"
	}
}
