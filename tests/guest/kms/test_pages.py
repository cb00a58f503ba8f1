"""The how-to of each service, run as it stands there, with the service running."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from kms_rigs import Rig
from repository import blocks, page
from toml_files import write_toml

from guest.cdh.sealing import public_jwk

# What each page shows that its reader gets.
SHOWN = {
    "aliyun": ("how-to/seal-with-alibaba-cloud-kms.md", ["correct horse", "the password"]),
    "aws": ("how-to/seal-with-aws-kms.md", ["correct horse", "the password of the database"]),
    "azure": ("how-to/seal-with-azure-key-vault.md", ["correct horse"]),
    "gcp": ("how-to/seal-with-google-cloud-kms.md", ["correct horse"]),
    "kmip": ("how-to/seal-with-kmip.md", ["correct horse"]),
    "pkcs11": ("how-to/seal-with-pkcs11.md", ["correct horse"]),
    "vault": ("how-to/seal-with-vault.md", ["correct horse"]),
}


@pytest.mark.parametrize("provider", SHOWN)
def test_a_how_to_runs_to_its_end(
    provider: str, rig_of: Callable[[str], Rig], tmp_path: Path
) -> None:
    """With settings that differ from the page's by where the service of the tests is."""
    rig, (name, shown) = rig_of(provider), SHOWN[provider]
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "sealing.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    (tmp_path / "team").write_text(public_jwk(key))
    settings: dict[str, Any] = {**rig.config(), "sealed_secrets": {"keys_folder": str(tmp_path)}}
    for file in ("seal.toml", "guest.toml"):
        write_toml(tmp_path / file, settings)
    script = "\n".join(body for language, body in blocks(page(name)) if language == "sh")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    output = done.stdout.decode() + done.stderr.decode()
    assert done.returncode == 0, output
    for each in shown:
        assert each in output
