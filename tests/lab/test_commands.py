"""``vouchgate lab``: evidence and roots that outlive a process, and who is not trusted."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from servers import AdminKey, make_settings
from simulated.dcap_site import refusal

from app.attestation.collateral.amd import AMDCatalogue
from app.attestation.collateral.intel import IntelCatalogue
from app.attestation.evidence import Binding, Context, RootedVerifier, UnverifiedEvidence
from app.attestation.verifiers import load_verifiers
from app.blueprints.deps import EXTENSION
from app.cli import main
from app.factory import build
from app.lab.client import attest
from app.lab.faults import Fault
from app.lab.intel import Publication
from app.lab.vendor import TEES, Lab
from app.lab.vendor_service import VendorService
from app.named.checking import check_named
from app.trust.errors import ConfigError
from app.trust.http_client import HTTPReply


def run(*arguments: str) -> Result:
    """A command of the lab."""
    return CliRunner().invoke(main, ["lab", *arguments])


def test_roots_outlive_the_process(tmp_path: Path) -> None:
    """Whoever trusts the file goes on trusting the lab; keys are for their owner only."""
    state = tmp_path / "lab"
    first, second = (Lab.open(datetime.now(UTC), state) for _ in range(2))
    assert first.intel.roots == second.intel.roots
    spki = [lab.amd["Milan"].ark.certificate.public_key() for lab in (first, second)]
    assert spki[0] == spki[1]
    assert {path.stat().st_mode & 0o777 for path in (state / "keys").iterdir()} == {0o600}


@pytest.mark.parametrize("tee", TEES)
def test_a_machine_is_revoked_in_every_process(tmp_path: Path, tee: str) -> None:
    """One process serves the vendor's lists, another makes evidence, and both know the machine."""
    now = datetime.now(UTC).replace(microsecond=0)
    makes, serves = (Lab.open(now, tmp_path / "lab") for _ in range(2))
    evidence = UnverifiedEvidence(tee, makes.evidence(tee, b"bound"))
    root = makes.amd["Milan"].root_pem if "snp" in tee else makes.intel.root_pem
    for fault, expected in ((Fault.NONE, "accepted"), (Fault.REVOKED, "certificate-revoked")):
        (verifier,) = load_verifiers([tee], allow_insecure=False).values()
        assert isinstance(verifier, RootedVerifier)
        context = Context(now, Publication(serves.documents(fault)))
        trusting = verifier.with_extra_roots(root)
        code = refusal(lambda v=trusting, c=context: v.verify(evidence, Binding(b"bound"), c))
        assert code == expected


def test_two_labs_revoke_different_machines(tmp_path: Path) -> None:
    """A serial number belongs to who issued it."""
    one, other = (Lab.open(datetime.now(UTC), tmp_path / name) for name in ("one", "other"))
    serials = [lab.machine.pck.certificate.serial_number for lab in (one, other)]
    older = one.older.pck.certificate.serial_number
    assert len({*serials, older}) == 3


@pytest.mark.parametrize("tee", ["snp", "tdx", "sgx", "az-snp-vtpm", "az-tdx-vtpm"])
def test_evidence_is_printed(tmp_path: Path, tee: str) -> None:
    """As a guest would send it."""
    result = run("evidence", "00ff", "--tee", tee, "--state", str(tmp_path / "lab"))
    assert result.exit_code == 0, result.output
    assert isinstance(json.loads(result.stdout), dict)
    assert (tmp_path / "lab" / "roots.pem").read_text().count("BEGIN CERTIFICATE") == 4


def test_bad_arguments_are_refused(tmp_path: Path) -> None:
    """What is no hex, no TEE, no fault."""
    state = ("--state", str(tmp_path / "lab"))
    for arguments in (("xy",), ("00", "--tee", "sample"), ("00", "--fault", "luck")):
        assert run("evidence", *arguments, *state).exit_code == 2
    for bind in ("0.0.0.0:8090", "127.0.0.1:x", "8090"):
        assert run("serve", "--bind", bind, *state).exit_code == 2
    assert run("attest", "http://127.0.0.1:9", *state).exit_code == 1


def test_faults_are_explained_and_values_are_a_message() -> None:
    """For people, and for the server."""
    assert "replay\tthe same evidence a second time" in run("faults").stdout
    assert json.loads(run("reference-values").stdout)["type"] == "sample"


def test_a_file_without_roots_is_a_fault(tmp_path: Path, prepared: tuple[Path, AdminKey]) -> None:
    """Nothing is served with a lab that is not there, or a file that is none."""
    lab = Lab.open(datetime.now(UTC))
    amd_only = tmp_path / "amd.pem"
    amd_only.write_bytes(lab.amd["Milan"].root_pem)
    noise = tmp_path / "noise.pem"
    noise.write_text("noise")
    for path in (tmp_path / "nowhere", noise, amd_only):
        attestation: dict[str, Any] = {"verifiers": ["tdx"], "insecure_trust_lab": str(path)}
        settings = make_settings(prepared[0], attestation=attestation)
        with pytest.raises(ConfigError, match="insecure_trust_lab"):
            check_named(settings)


def test_the_service_knows_its_documents_only() -> None:
    """Everything else is not there."""
    service = VendorService({})
    assert service.answer("/vcek/v1/Milan/crl", ())[0] == 404


class Service:
    """The port ``HTTPClient``, with the Attestation Service of an application behind it."""

    def __init__(self, app: Flask) -> None:
        self.client = app.test_client()

    def get(self, url: str) -> HTTPReply:
        """Nothing is ever got."""
        raise AssertionError(url)

    def post(self, url: str, body: bytes, media_type: str) -> HTTPReply:
        """The answer of the application."""
        path = url.removeprefix("http://as")
        headers = {"Accept": "application/json"}
        answer = self.client.post(path, data=body, content_type=media_type, headers=headers)
        return HTTPReply(answer.status_code, {}, answer.data)

    def post_json(self, url: str, body: bytes) -> HTTPReply:
        """The answer of the application."""
        return self.post(url, body, "application/json")


@pytest.mark.parametrize(
    ("fault", "told"),
    [(Fault.NONE, "submods"), (Fault.FORGED, "signature-invalid"), (Fault.REPLAY, "nonce-used")],
)
def test_a_machine_attests_over_http(
    tmp_path: Path, prepared: tuple[Path, AdminKey], fault: Fault, told: str
) -> None:
    """The claims of the token, or the refusal with its reason."""
    lab = Lab.open(datetime.now(UTC).replace(microsecond=0))
    folder, roots = tmp_path / "site", tmp_path / "roots.pem"
    shutil.copytree(prepared[0], folder)
    roots.write_bytes(lab.roots_pem)
    service = VendorService(lab.documents())
    with service.listening(AMDCatalogue, IntelCatalogue) as address:
        app = build(
            make_settings(
                folder,
                attestation={"verifiers": ["snp"], "insecure_trust_lab": str(roots)},
                collateral={"sources": ["vendor"], "amd_url": address, "intel_url": address},
            )
        )
        with closing(app.extensions[EXTENSION]):
            answer = attest(lab, Service(app), "http://as", "snp", fault)
    assert told in json.dumps(answer.told)
