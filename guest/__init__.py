"""What runs in the guest: the Attestation Agent and the Confidential Data Hub."""
