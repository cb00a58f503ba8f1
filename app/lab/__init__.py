"""A vendor of our own: roots, services, and evidence of machines that do not exist.

For learning and tests without hardware. Nothing else imports this package; a server trusts its
roots only where the setting ``attestation.insecure_trust_lab`` names them.
"""
