"""Guests whose hardware software can stand in for, from device to plaintext, in both models.

One server knows them all: a machine with a TPM whose key is enrolled, a Secure Execution guest that
answers its verifier's challenge, and devices beside a TEE.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import urllib3
from bare_machine import bare_paths
from processes import Server, free_port, running, vouchgate
from servers import AdminKey, settings_table
from simulated.device_nodes import StandInNodes, Uvdevice
from simulated.se import TAGS, Firmware, SimulatedZ
from software_tpm import AK_HANDLE, SoftwareTPM, software_tpm
from toml_files import write_toml

from guest.aa.attestation_key import read_attestation_key
from guest.attester import Devices
from guest.errors import GuestError
from guest.settings import BACKGROUND_CHECK, PASSPORT, ServiceSettings, Settings
from guest.wire.encoding import b64url_decode, b64url_encode
from guest.wiring import Outside, build_agent, build_hub

SECRET = b"for composite guests"
INIT_DATA = 'version = "0.1.0"\nalgorithm = "sha256"\n[data]\n"aa.toml" = "x = 1"\n'

# These guests cannot be told apart by reference values here; what verifies is affirmed.
POLICY = """
package policy

import rego.v1

trust_claims := {"executables": 3, "hardware": 2, "configuration": 2}
"""


@dataclass(frozen=True)
class Site:
    """The server, and what its guests run on."""

    server: Server
    tpm: SoftwareTPM
    machine: SimulatedZ
    nothing: Path

    def settings(self, tee: str, model: str, **members: Any) -> Settings:
        """Settings of a guest of this kind; the sample device is beside it."""
        service = ServiceSettings(self.server.url)
        return Settings(
            model=model,
            attestation_service=service if model == PASSPORT else None,
            key_broker=service,
            resources=service,
            tee=tee,
            devices=bare_paths(self.nothing, tpm=self.tpm.path, uv=self.nothing / "uv"),
            insecure_sample_device=True,
            **members,
        )

    def outside(self) -> Outside:
        """What a guest meets here."""
        ultravisor = Uvdevice(Firmware(self.machine.host_key), TAGS)
        return Outside(nodes=StandInNodes({self.nothing / "uv": ultravisor}))


def fetch(settings: Settings, outside: Outside) -> tuple[bytes, dict[str, Any]]:
    """What a guest gets, and the environments in the token that it got it with."""
    agent = build_agent(settings, outside)
    hub = build_hub(settings, agent, outside)
    plaintext = hub.get_resource("kbs:///default/app/key")
    token = agent.get_token(hub.token_type).token
    return plaintext, json.loads(b64url_decode(token.split(".")[1]))["submods"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server with one secret, a TPM, and an IBM Z."""
    folder = tmp_path_factory.mktemp("composite")
    (folder / "z").mkdir()
    machine = SimulatedZ(folder / "z")
    with (
        tempfile.TemporaryDirectory() as short,
        software_tpm(Path(short), AK_HANDLE) as tpm,
    ):
        devices = Devices(bare_paths(folder / "none", tpm=tpm.path))
        key = read_attestation_key(devices, make=False)
        options = {
            "tpm": {"trusted_aks": [key.fingerprint]},
            # The simulated certificates have dates of their own.
            "se": machine.options(check_host_keys="insecure_skip"),
        }
        with serving(folder, options) as server:
            yield Site(server, tpm, machine, folder / "none")


@contextmanager
def serving(folder: Path, options: dict[str, Any]) -> Iterator[Server]:
    """A server that verifies these TEEs, set up by its administrator."""
    admin, port = AdminKey.make(folder), free_port()
    table = settings_table(
        folder,
        server={"bind": [f"127.0.0.1:{port}"], "workers": 1},
        attestation={
            "verifiers": ["tpm", "se", "sample", "sampledevice"],
            "verifier_options": options,
        },
    )
    config = write_toml(folder / "vouchgate.toml", table)
    url = f"http://127.0.0.1:{port}"
    with running(vouchgate("serve", "--config", str(config)), url, folder / "log") as server:
        administer(url, admin)
        yield server


def administer(url: str, admin: AdminKey) -> None:
    """Policies of both classes, and the secret."""
    http = urllib3.PoolManager(retries=False, timeout=30)
    policy = b64url_encode(POLICY.encode())
    requests = [("/kbs/v0/resource/default/app/key", SECRET)] + [
        ("/kbs/v0/attestation-policy", json.dumps({"policy_id": name, "policy": policy}).encode())
        for name in ("default_cpu", "default_gpu")
    ]
    for path, body in requests:
        reply = http.request("POST", url + path, body=body, headers=admin.headers())
        assert reply.status == 200, reply.data


@pytest.mark.parametrize("model", [BACKGROUND_CHECK, PASSPORT])
@pytest.mark.parametrize("tee", ["tpm", "se"])
def test_a_guest_with_a_device_gets_its_secret(site: Site, tee: str, model: str) -> None:
    """Both environments are in the token, and the device is bound to the same nonce and key."""
    plaintext, environments = fetch(site.settings(tee, model), site.outside())
    assert plaintext == SECRET
    assert environments.keys() == {"cpu0", "gpu0"}


@pytest.mark.parametrize("model", [BACKGROUND_CHECK, PASSPORT])
def test_another_machines_tpm_is_refused(site: Site, tmp_path: Path, model: str) -> None:
    """It has a key of the same kind, which nobody enrolled."""
    with (
        tempfile.TemporaryDirectory() as short,
        software_tpm(Path(short), AK_HANDLE) as other,
    ):
        paths = bare_paths(tmp_path / "none", tpm=other.path)
        settings = replace(site.settings("tpm", model), devices=paths)
        with pytest.raises(GuestError) as refused:
            fetch(settings, site.outside())
    assert refused.value.reason == "attestation-key-untrusted"


def test_another_image_is_refused(site: Site) -> None:
    """A guest that repeats the operator's digests cannot repeat the ultravisor's measurement."""
    ultravisor = Uvdevice(Firmware(site.machine.host_key), TAGS[::-1])
    outside = Outside(nodes=StandInNodes({site.nothing / "uv": ultravisor}))
    with pytest.raises(GuestError) as refused:
        fetch(site.settings("se", PASSPORT), outside)
    assert refused.value.reason == "signature-invalid"


def test_a_tpm_binds_init_data(site: Site) -> None:
    """By PCR 8, which the guest extends once; other init data is refused by the guest itself."""
    for _ in range(2):
        settings = site.settings("tpm", PASSPORT, init_data=INIT_DATA)
        assert fetch(settings, site.outside())[0] == SECRET
    with pytest.raises(GuestError) as refused:
        fetch(replace(settings, init_data=INIT_DATA + "#"), site.outside())
    assert refused.value.code == "init-data-mismatch"
