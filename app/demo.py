"""``vouchgate demo``: everything on loopback, ready to try, with state that stays.

The first run makes keys, settings, an operator, reference values for the sample TEE and one secret;
a second run finds them as they are. The settings it writes are ordinary settings in an ordinary
file: moving on means editing a copy of it.
"""

from __future__ import annotations

import json
import os
import secrets
from datetime import timedelta
from pathlib import Path

import click
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.jwk import OKPKey

from app.blueprints.services import Services
from app.broker.secrets import ResourceID
from app.config import CONFIG_VARIABLE, load_settings
from app.console.permissions import Role
from app.logs import configure as configure_logs
from app.serving import serve
from app.settings import Settings
from app.trust.audit import Actor
from app.trust.clock import SystemClock
from app.wiring import prepare
from app.wiring.opening import services_on
from guest.wire.encoding import b64_encode

DEMO_SECRET = ResourceID("default", "demo", "secret")
_SECRET_VALUE = b"a secret that only an attested guest can read\n"
_OPERATOR = "admin"
_TOKEN_LIFETIME = timedelta(days=365)
_CLI = Actor("cli:demo", Role.OWNER)

# What the sample TEE claims (evidence.md, section 6), so that its appraisal is affirming.
_SAMPLE_VALUES = {
    "launch_digest": ["abcde"],
    "svn": ["1"],
    "major_version": 1,
    "minimum_minor_version": 4,
}

_SETTINGS = """\
# Written by `vouchgate demo`. Everything here is for one machine and for learning.
roles = ["as", "kbs", "console"]

[server]
bind = ["127.0.0.1:{port}"]

[database]
url = "sqlite:///{state}/vouchgate.db"

[sealing]
keys = ["file:{state}/key-encryption-key"]

[attestation]
verifiers = ["sample", "snp", "tdx", "sgx"]
# Anyone can forge the evidence of the sample TEE: it exists for learning.
insecure_allow_sample = true
# Stock guests ask the AS without a nonce; their tokens say so in a claim.
insecure_allow_no_nonce = true

[[admin.identity_providers]]
name = "demo"
public_key_file = "{state}/admin-public.pem"
issuer = "vouchgate-demo"

[[admin.access]]
role = "owner"
methods = ["*"]
paths = ["/**"]

[log]
level = "warning"
format = "text"
"""


def run(state: Path, port: int) -> None:
    """Make what is missing, say how to use it, and serve until interrupted."""
    state = state.resolve()
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_once(state / "key-encryption-key", lambda: secrets.token_hex(32).encode() + b"\n")
    _make_admin_key(state)
    config = state / "demo.toml"
    config.write_text(_SETTINGS.format(state=state, port=port), encoding="utf-8")
    settings = load_settings(config)
    configure_logs(settings.log)
    prepare(settings)
    # Nothing of this may be open when the server's workers are forked.
    with services_on(settings) as services:
        password = _fill(services)
    _announce(settings, state, config, password)
    serve(settings)


def _make_admin_key(state: Path) -> None:
    key_file = state / "admin-key.pem"
    if not key_file.exists():
        key = Ed25519PrivateKey.generate()
        _write_private(
            key_file,
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        (state / "admin-public.pem").write_bytes(public)
    now = SystemClock().now()
    token = jwt.encode(
        {"alg": "EdDSA", "typ": "JWT"},
        {
            "iss": "vouchgate-demo",
            "sub": _OPERATOR,
            "role": Role.OWNER.value,
            "iat": int(now.timestamp()),
            "exp": int((now + _TOKEN_LIFETIME).timestamp()),
        },
        OKPKey.import_key(key_file.read_bytes()),
        algorithms=["EdDSA"],
    )
    _write_once(state / "admin-token", token.encode)


def _fill(services: Services) -> str | None:
    """Make the operator, the reference values and the secret; the password of a new operator."""
    if not services.custody.versions(DEMO_SECRET):
        services.custody.write(DEMO_SECRET, _SECRET_VALUE, _CLI)
        payload = b64_encode(json.dumps(_SAMPLE_VALUES).encode())
        message = {"version": "0.1.0", "type": "sample", "payload": payload}
        services.reference_values.register(message, _CLI)
    if services.operators.find(_OPERATOR) is None:
        return services.operators.create(_OPERATOR, Role.OWNER, _CLI)
    return None


def _announce(settings: Settings, state: Path, config: Path, password: str | None) -> None:
    url = settings.public_url
    sign_in = (
        f"operator {_OPERATOR}, one-time password {password}"
        if password
        else f"operator {_OPERATOR}; a new password: vouchgate operators reset {_OPERATOR} "
        f"--config {config}"
    )
    secret = f"kbs:///{DEMO_SECRET}"
    click.echo(f"""
  Vouchgate demo    INSECURE: it accepts the sample TEE, whose evidence anyone can forge

  Console       {url}/console/
                {sign_in}
  Admin token   {state / "admin-token"}
  Settings      {config}

  Fetch the demo secret as a guest (another terminal):

    background check   .venv/bin/vouchgate-guest get-resource --insecure-sample \\
                         --kbs-url {url} {secret}
    passport           .venv/bin/vouchgate-guest get-resource --insecure-sample --model passport \\
                         --as-url {url} --kbs-url {url} {secret}

  Operate it    {CONFIG_VARIABLE}={config} .venv/bin/vouchgate decisions list
  Stop it       Ctrl-C; everything stays under {state}
""")


def _write_once(path: Path, content: object) -> None:
    if not path.exists():
        _write_private(path, content())  # type: ignore[operator]


def _write_private(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
