"""The claim that the Attestation Service adds for every TEE whose verification reads collateral."""

from app.attestation.claim_dictionary.claims import Claim, Direction

COLLATERAL_STATE = Claim(
    "collateral_state",
    "text: fresh, ageing, stale or missing",
    Direction.FIXED,
    "The worst state of the vendor's documents that this verification looked at; not there when it "
    "looked at none.",
    "Vouchgate, docs/how-to/keep-collateral.md",
    good="fresh",
)
