"""Floods are slowed down, and what is counted names nobody."""

from __future__ import annotations

from pathlib import Path

from flask.testing import FlaskClient
from raw_guest import PATH, RawGuest
from servers import AdminKey, make_settings

from app.blueprints.deps import EXTENSION
from app.factory import build
from app.wiring import prepare


def test_a_flood_of_challenges_is_slowed_down(tmp_path: Path) -> None:
    """After the limit one address hears when to come back (wire.md 14.1, 5)."""
    AdminKey.make(tmp_path)
    settings = make_settings(tmp_path, limits={"handshake": "3/hour"})
    prepare(settings)
    app = build(settings)
    try:
        guest = RawGuest(app.test_client())
        assert [guest.challenge().status_code for _ in range(3)] == [200, 200, 200]
        refused = guest.challenge()
        assert refused.status_code == 429
        assert refused.headers["Vouchgate-Reason"] == "too-many-requests"
        assert 1 <= int(refused.headers["Retry-After"]) <= 3600
    finally:
        app.extensions[EXTENSION].close()


def test_an_unknown_decision_is_404(client: FlaskClient, owner: dict[str, str]) -> None:
    """Reading and replaying both say so."""
    for method, path in (("GET", ""), ("POST", "/replay")):
        response = client.open(f"/api/v1/decisions/{'0' * 32}{path}", method=method, headers=owner)
        assert response.status_code == 404
        assert response.headers["Vouchgate-Reason"] == "decision-not-found"


def test_metrics_have_no_label_that_callers_choose(
    affirming: None, guest: RawGuest, owner: dict[str, str]
) -> None:
    """What is counted is there, and no path of a secret (wire.md 14.1, 14 and 15)."""
    guest.attest()
    guest.resource()
    text = guest.client.get("/metrics", headers=owner).text
    sizes = [line for line in text.splitlines() if "kbs_http_response_size_bytes_count" in line]
    assert float(sizes[0].split()[-1]) > 0
    assert 'kbs_attestation_successes_total{tee_type="sample"}' in text
    assert "kbs_resource_reads_total " in text
    assert PATH not in text
