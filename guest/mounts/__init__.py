"""Volumes: encrypted disks and object storage, mounted in the guest with keys that it fetches."""
