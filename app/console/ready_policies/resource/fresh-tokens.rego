# A guard rail: nothing for tokens that no nonce made fresh, whatever other policies allow.
#
# It has only `deny`, so it decides nothing else. Put it into a broad scope, such as `resource`.

package policy

import rego.v1

default deny := true

deny := false if input["ear.vouchgate.freshness"] == "nonce"
