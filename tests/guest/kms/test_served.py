"""A guest as it runs: credentials come from the KBS, the data key from a service, over ttrpc."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from kms_rigs import Rig

from guest.cdh.sealing import Sealer, Terms, public_jwk
from guest.errors import PeerError
from guest.rpc.peers import PeerHub
from guest.serving import running
from guest.settings import parse_settings
from guest.ttrpc.client import TTRPCClient
from guest.wire.jwe import seal
from guest.wire.jwk import parse_tee_public_key
from guest.wiring import Outside

KID = "kbs:///default/sealing/team"
LATER = 4102444800


@pytest.fixture
def released() -> dict[str, bytes]:
    """What the KBS has, by path."""
    return {}


@pytest.fixture
def kbs(serve: Any, answer: Any, jwt: Any, released: dict[str, bytes]) -> Any:
    """A KBS that releases it to whoever attested last."""
    keys, kind = [], {"Content-Type": "application/json"}

    def respond(call: Any) -> Any:
        if call.path == "/kbs/v0/auth":
            headers = {**kind, "Set-Cookie": "kbs-session-id=s; Path=/kbs/v0"}
            return answer(200, headers, b'{"nonce":"bm9uY2U=","extra-params":""}')
        if call.path == "/kbs/v0/attest":
            keys.append(json.loads(call.body)["runtime-data"]["tee-pubkey"])
            return answer(200, kind, json.dumps({"token": jwt(exp=LATER)}).encode())
        secret = released.get(call.path.removeprefix("/kbs/v0/resource/"))
        if secret is None:
            return answer(404, kind, b"{}")
        return answer(200, kind, json.dumps(seal(secret, parse_tee_public_key(keys[-1]))).encode())

    return serve(respond)


def test_a_program_reads_a_sealed_secret(
    kbs: Any, released: dict[str, bytes], rig_of: Callable[[str], Rig], tmp_path: Path
) -> None:
    """Whoever seals, the KBS and the service each see their part, and none of them all."""
    rig, key = rig_of("vault"), ec.generate_private_key(ec.SECP256R1())
    terms = Terms("vault", rig.settings, rig.annotations)
    sealed = Sealer(key, KID).seal_with(rig.open(), b"correct horse", rig.key_id, terms)
    released["default/sealing/team"] = public_jwk(key).encode()
    released["default/kms/vault"] = (rig.access.folder / "credential.json").read_bytes()
    folder = tmp_path / "kbs"
    file = {
        "path": str(folder / "vault/credential.json"),
        "resource_uri": "kbs:///default/kms/vault",
    }
    settings = parse_settings(
        {
            "insecure_sample": True,
            "token_configs": {"kbs": {"url": kbs.url}},
            "sealed_secrets": {"trusted_key_ids": [KID]},
            "credentials_folder": str(folder),
            "credentials": [file],
            "kms": {"credentials_folder": str(folder), "vault": {"endpoint": rig.access.endpoint}},
            "api": {"features": "none"},
            "rpc": {"hub_socket": str(tmp_path / "cdh.sock")},
        }
    )
    with running(settings, Outside()):
        hub = PeerHub(TTRPCClient(tmp_path / "cdh.sock"))
        assert hub.unseal_secret(sealed) == b"correct horse"
        (folder / "vault/credential.json").unlink()
        with pytest.raises(PeerError, match="status 13"):
            hub.unseal_secret(sealed)
        hub.client.close()
