"""The settings on a page and for programs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from console_client import Console
from flask.testing import FlaskClient
from servers import AdminKey

from app.console.permissions import Role


def test_whoever_lacks_the_permission_sees_none(
    client: FlaskClient, admin: AdminKey, console: Callable[..., Console]
) -> None:
    """Paths of key files are for those who run or check the server."""
    assert client.get("/api/v1/settings").status_code == 401
    assert client.get("/api/v1/settings", headers=admin.headers("viewer")).status_code == 403
    assert console(Role.VIEWER).get("/settings").status_code == 403


def test_a_file_that_went_missing_is_told(
    client: FlaskClient, owner: dict[str, str], console: Callable[..., Console], tmp_path: Path
) -> None:
    """What the settings name is looked at now, not only at the start."""
    assert client.get("/api/v1/settings", headers=owner).get_json()["faults"] == []
    (tmp_path / "admin-public.pem").unlink()
    faults = client.get("/api/v1/settings", headers=owner).get_json()["faults"]
    assert any("admin-public.pem" in fault for fault in faults)
    assert "The next start would fail" in console(Role.OWNER).get("/settings").text


def test_the_key_of_keys_is_told_by_its_place_only(
    client: FlaskClient, owner: dict[str, str], console: Callable[..., Console], tmp_path: Path
) -> None:
    """The path of its file stands there, its content nowhere."""
    key = (tmp_path / "kek").read_text(encoding="ascii")
    answer = client.get("/api/v1/settings", headers=owner).text
    page = console(Role.AUDITOR).get("/settings").text
    for text in (answer, page):
        assert str(tmp_path / "kek") in text
        assert key not in text


def test_the_page_marks_what_weakens(console: Callable[..., Console]) -> None:
    """A weakening setting stands at the top, with what it gives up."""
    page = console(Role.OPERATOR).get("/settings?show=written").text
    assert "Insecure:" in page
    assert "attestation.insecure_allow_sample" in page
    assert "server.threads" not in page
