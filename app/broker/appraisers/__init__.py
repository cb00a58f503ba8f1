"""Ways to be an Appraiser besides the built-in Attestation Service."""
