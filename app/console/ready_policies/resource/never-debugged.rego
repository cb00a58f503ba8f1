# A guard rail: nothing for guests that their host can debug, whatever other policies allow.
#
# It has only `deny`, so it decides nothing else. Put it into a broad scope, such as `resource`.

package policy

import rego.v1

deny if {
	some part in input.submods
	debugged(part["ear.veraison.annotated-evidence"])
}

debugged(guest) if guest.snp.policy_debug_allowed == true

debugged(guest) if guest["az-snp-vtpm"].policy_debug_allowed == "true"

debugged(guest) if guest.tdx.td_attributes.debug == true

debugged(guest) if guest["az-tdx-vtpm"].td_attributes.debug == true

debugged(guest) if guest.sample.debug == true

# Bit 1 of the flags is DEBUG (Intel SDM volume 3D, table 34-3).
debugged(guest) if {
	digit := substring(guest.sgx.body["attributes.flags"], 1, 1)
	not digit in {"0", "1", "4", "5", "8", "9", "c", "d"}
}
