"""Readers of reference value messages, one file for each type."""
