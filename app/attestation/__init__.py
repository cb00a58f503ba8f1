"""The Attestation Service: evidence in, a signed appraisal out."""
