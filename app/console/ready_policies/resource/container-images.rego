# The secrets of this scope for guests that run these container images, and no others.
#
# The images are those of the agent's policy in the init data, which the hardware binds; the default
# attestation policy puts them into the token.

package policy

import rego.v1

# Replace these by the names of your images, with their digests.
accepted_images := {"registry.example/app@sha256:1111"}

default allow := false

allow if {
	data.plugin == "resource"
	affirming
	images := input.submods.cpu0["ear.trustee.identifiers"].validated.container_images
	count(images) > 0
	every image in images {
		image in accepted_images
	}
}

affirming if {
	is_object(input.submods)
	count(input.submods) > 0
	every _, submod in input.submods {
		submod["ear.status"] == "affirming"
	}
}
