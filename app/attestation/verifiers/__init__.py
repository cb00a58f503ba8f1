"""Verifiers, one file for each kind of TEE."""
