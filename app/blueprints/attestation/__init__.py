"""The routes of the Attestation Service."""
