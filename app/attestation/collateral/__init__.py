"""Vendor certificates, TCB info and revocation lists: find, cache, keep offline."""
