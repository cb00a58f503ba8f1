# The sample TEE, for learning: its evidence proves nothing, and this policy plays that it did.
#
#   hardware       svn: a list of accepted security versions
#   executables    launch_digest: a list of accepted digests
#   configuration  not debugged

package policy

import rego.v1

default hardware := 97

default executables := 33

default configuration := 36

trust_claims := {"hardware": hardware, "executables": executables, "configuration": configuration}

# The value is in the list that is registered.
listed(value, name) if value in query_reference_value(name)

hardware := 2 if listed(input.sample.svn, "svn")

executables := 3 if listed(input.sample.launch_digest, "launch_digest")

configuration := 2 if input.sample.debug == false
