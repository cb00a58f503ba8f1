"""Names of TEE key algorithms in settings (guest.md, section 4.3)."""

from __future__ import annotations

EC_P256 = "ECDH-ES+A256KW-P256"
EC_P521 = "ECDH-ES+A256KW-P521"
RSA_OAEP_256 = "RSA-OAEP-256"

TEE_KEY_ALGORITHMS = (EC_P256, EC_P521, RSA_OAEP_256)
DEFAULT_TEE_KEY_ALGORITHM = EC_P256
