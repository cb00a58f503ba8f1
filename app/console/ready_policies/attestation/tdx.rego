# Intel TDX: a trust domain on a platform that Intel calls up to date, with known firmware and kernel.
#
#   hardware       genuine and current; mr_td: a list of accepted firmware measurements
#   executables    rtmr_1 and rtmr_2: lists of accepted register values
#   configuration  no debugging; xfam: a list of accepted feature masks

package policy

import rego.v1

default hardware := 97

default executables := 33

default configuration := 36

trust_claims := {"hardware": hardware, "executables": executables, "configuration": configuration}

# The value is in the list that is registered.
listed(value, name) if value in query_reference_value(name)

hardware := 2 if {
	input.tdx.quote.header.tee_type == "81000000"
	input.tdx.quote.header.vendor_id == "939a7233f79c4ca9940a0db3957f0607"
	input.tdx.tcb_status == "UpToDate"
	input.tdx.collateral_expiration_status == "0"
	listed(input.tdx.quote.body.mr_td, "mr_td")
}

executables := 3 if {
	listed(input.tdx.quote.body.rtmr_1, "rtmr_1")
	listed(input.tdx.quote.body.rtmr_2, "rtmr_2")
}

configuration := 2 if {
	input.tdx.td_attributes.debug == false
	listed(input.tdx.quote.body.xfam, "xfam")
}
