"""AS and KBS in two processes, each with its own database and TLS certificate."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from certificates import Authority
from processes import Server, free_port, running, vouchgate, vouchgate_guest
from servers import SAMPLE_VALUES, settings_table
from toml_files import write_toml

from guest.wire.encoding import b64_encode

SECRET = b"only for the attested\n"


@dataclass
class Deployment:
    """Two running servers and how to operate them."""

    attestation: Server
    broker: Server
    as_config: Path
    kbs_config: Path
    as_ca: Path
    kbs_ca: Path

    def guest(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """``vouchgate-guest get-resource`` in the passport model, with pinned authorities."""
        command = vouchgate_guest(
            "get-resource",
            "--insecure-sample",
            "--model",
            "passport",
            "--as-url",
            self.attestation.url,
            "--as-cert",
            str(self.as_ca),
            "--kbs-url",
            self.broker.url,
            "--kbs-cert",
            str(self.kbs_ca),
            *arguments,
        )
        return subprocess.run(command, capture_output=True, timeout=60, check=False)


def operate(config: Path, *arguments: str, given: bytes = b"") -> str:
    """Run an operator's command."""
    done = subprocess.run(
        vouchgate(*arguments, "--config", str(config)),
        input=given,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    """Two organisations: an AS, and a KBS that trusts it by its key set."""
    configs, urls, authorities = {}, {}, {}
    for role in ("as", "kbs"):
        folder = tmp_path / role
        folder.mkdir()
        authority = authorities[role] = Authority.make(folder, f"{role}-ca")
        certificate, key = authority.issue(role)
        port = free_port()
        urls[role] = f"https://127.0.0.1:{port}"
        table = settings_table(
            folder,
            roles=[role],
            server={
                "bind": [f"127.0.0.1:{port}"],
                "tls_certificate": str(certificate),
                "tls_private_key": str(key),
                "workers": 1,
            },
            admin={"identity_providers": [], "access": []},
        )
        if role == "kbs":
            table["attestation"] = {"verifiers": []}
            table["broker"] = {
                "issuers": [
                    {
                        "name": "their-as",
                        "issuer": urls["as"],
                        "jwks_url": f"{urls['as']}/.well-known/jwks.json",
                        "tls_ca_file": str(authorities["as"].file),
                    }
                ]
            }
        configs[role] = write_toml(folder / "vouchgate.toml", table)
    servers = []
    for role in ("as", "kbs"):
        command = vouchgate("serve", "--config", str(configs[role]))
        log = tmp_path / f"{role}.log"
        servers.append(running(command, urls[role], log, authorities[role].file))
    with servers[0] as attestation, servers[1] as broker:
        yield Deployment(
            attestation,
            broker,
            configs["as"],
            configs["kbs"],
            authorities["as"].file,
            authorities["kbs"].file,
        )


def test_a_passport_travels(deployment: Deployment, tmp_path: Path) -> None:
    """Refused before the values are known, released after, still released after a rotation."""
    operate(deployment.kbs_config, "secrets", "set", "default/app/key", "-", given=SECRET)
    refused = deployment.guest("kbs:///default/app/key")
    assert refused.returncode != 0
    assert b"policy-denied" in refused.stderr

    payload = b64_encode(json.dumps(SAMPLE_VALUES).encode())
    message = tmp_path / "message.json"
    message.write_text(json.dumps({"version": "0.1.0", "type": "sample", "payload": payload}))
    operate(deployment.as_config, "reference-values", "register", str(message))
    assert deployment.guest("kbs:///default/app/key").stdout == SECRET

    operate(deployment.as_config, "keys", "rotate")
    assert deployment.guest("kbs:///default/app/key").stdout == SECRET

    released = operate(deployment.kbs_config, "decisions", "list", "--json").splitlines()
    assert [json.loads(line)["outcome"] for line in released] == ["allowed", "allowed", "denied"]
    decision = json.loads(released[0])["decision_id"]
    assert json.loads(operate(deployment.kbs_config, "decisions", "replay", decision))["same"]
    assert "the chain holds" in operate(deployment.kbs_config, "audit", "verify")


def test_the_wrong_authority_is_refused(deployment: Deployment) -> None:
    """A guest that pins another authority talks to nobody."""
    swapped = Deployment(
        deployment.attestation,
        deployment.broker,
        deployment.as_config,
        deployment.kbs_config,
        deployment.kbs_ca,
        deployment.as_ca,
    )
    done = swapped.guest("kbs:///default/app/key")
    assert done.returncode != 0
    assert done.stdout == b""
