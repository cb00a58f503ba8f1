# Intel SGX: one enclave, known by its measurement, on a platform that Intel calls up to date.
#
#   hardware       genuine and current
#   executables    mr_enclave: a list of accepted measurements
#   configuration  not a debug enclave

package policy

import rego.v1

default hardware := 97

default executables := 33

default configuration := 36

trust_claims := {"hardware": hardware, "executables": executables, "configuration": configuration}

# The value is in the list that is registered.
listed(value, name) if value in query_reference_value(name)

hardware := 2 if {
	input.sgx.header.vendor_id == "939a7233f79c4ca9940a0db3957f0607"
	input.sgx.tcb_status == "UpToDate"
	input.sgx.collateral_expiration_status == "0"
}

executables := 3 if listed(input.sgx.body.mr_enclave, "mr_enclave")

# Bit 1 of the flags is DEBUG (Intel SDM volume 3D, table 34-3); they are hex, least byte first, so
# the second digit has it.
configuration := 2 if {
	digit := substring(input.sgx.body["attributes.flags"], 1, 1)
	digit in {"0", "1", "4", "5", "8", "9", "c", "d"}
}
