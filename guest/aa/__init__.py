"""The Attestation Agent: evidence and tokens."""
