"""Attesters, one file for each kind of TEE."""
