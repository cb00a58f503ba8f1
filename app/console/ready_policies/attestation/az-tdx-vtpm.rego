# Azure confidential virtual machine on TDX: a current platform, firmware by mr_td, system by PCR 11.
#
#   hardware       genuine and current; mr_td: a list of accepted firmware measurements
#   executables    tdx_pcr11: a list of accepted register values
#   configuration  no debugging

package policy

import rego.v1

default hardware := 97

default executables := 33

default configuration := 36

trust_claims := {"hardware": hardware, "executables": executables, "configuration": configuration}

# The value is in the list that is registered.
listed(value, name) if value in query_reference_value(name)

az := input["az-tdx-vtpm"]

hardware := 2 if {
	az.quote.header.tee_type == "81000000"
	az.quote.header.vendor_id == "939a7233f79c4ca9940a0db3957f0607"
	az.tcb_status == "UpToDate"
	az.collateral_expiration_status == "0"
	listed(az.quote.body.mr_td, "mr_td")
}

executables := 3 if listed(az.tpm.pcr11, "tdx_pcr11")

configuration := 2 if az.td_attributes.debug == false
