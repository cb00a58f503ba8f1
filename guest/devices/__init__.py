"""Interfaces of the kernel that attesters share."""
