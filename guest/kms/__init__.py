"""Drivers of key management services, one file each."""
