"""Secrets in the browser: written, made, deleted, and never shown."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from console_client import Console
from flask import Flask
from raw_guest import SECRET, RawGuest

from app.blueprints.services import Services
from app.broker.secrets import ResourceID
from app.console.permissions import Role
from app.console.recipes import RECIPES

PATH = "default/app/key"
VALUE = "hunter2-is-a-secret"


@pytest.fixture
def custodian(console: Callable[..., Console]) -> Console:
    """Someone who may write and delete secrets."""
    return console(Role.SECRET_CUSTODIAN)


def write(custodian: Console, path: str = PATH, **form: Any) -> Any:
    """Fill in the form; by default with a text."""
    filled = {"path": path, "origin": "text", "text": VALUE, "recipe": next(iter(RECIPES))}
    return custodian.post("/secrets/new", **(filled | form))


def sizes(app: Flask, services: Services, path: str = PATH) -> list[int]:
    """Bytes of every version, newest first."""
    with app.app_context():
        return [v.size_bytes for v in services.custody.versions(ResourceID.of(path.split("/")))]


@pytest.mark.parametrize(
    "form",
    [
        {"path": "../../x"},
        {"path": "a/b"},
        {"path": "a/b/.c"},
        {"text": ""},
        {"origin": "file"},
    ],
    ids=["traversal", "two segments", "leading dot", "no text", "no file"],
)
def test_what_cannot_be_stored_is_told_without_the_value(custodian: Console, form: Any) -> None:
    """The reason stands on the page, what was typed as secret does not."""
    page = write(custodian, **form)
    assert page.status_code == 400
    assert "Nothing was stored." in page.text
    assert VALUE not in page.text


@pytest.mark.parametrize("form", [{"origin": "elsewhere"}, {"recipe": "mine"}, {"path": ""}])
def test_a_choice_that_was_not_offered_stores_nothing(
    custodian: Console, app: Flask, services: Services, form: Any
) -> None:
    """The form comes back, without the value."""
    page = write(custodian, **form)
    assert page.status_code == 200
    assert VALUE not in page.text
    assert sizes(app, services) == []


def test_a_text_is_stored_sealed_and_audited(
    custodian: Console, app: Flask, services: Services
) -> None:
    """Each write is a version; the pages know its size and its author, not its value."""
    assert write(custodian).status_code == 303
    assert write(custodian, text="a\r\nb").status_code == 303
    assert sizes(app, services) == [3, len(VALUE)]
    for path in (f"/secrets/{PATH}", "/secrets", "/audit", "/decisions"):
        assert VALUE not in custodian.get(path).text
    with app.app_context():
        entry = services.audit.page(before=None, limit=1)[0].entry
    assert (entry.action, entry.subject) == ("secret:version:write", PATH)


def test_a_file_is_stored_byte_for_byte(custodian: Console, app: Flask, services: Services) -> None:
    """Whatever the file holds, zero bytes too."""
    form = {"origin": "file", "file": (io.BytesIO(b"\x00\r\n\xff"), "key.bin")}
    assert write(custodian, **form).status_code == 303
    assert sizes(app, services) == [4]


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_secret_that_is_made_here_is_new_each_time(recipe: str) -> None:
    """At least 32 random bytes in each of them."""
    first, second = RECIPES[recipe](), RECIPES[recipe]()
    assert first != second
    assert len(first) >= 32


def test_a_guest_gets_what_was_made_and_no_page_shows_it(
    affirming: None, custodian: Console, app: Flask
) -> None:
    """Made, stored, released to the TEE; the custodian sees who got it."""
    write(custodian, origin="generated", recipe="passphrase of 43 characters", text="")
    guest = RawGuest(app.test_client())
    guest.attest()
    decision_id = guest.resource(PATH).headers["Vouchgate-Decision"]
    page = custodian.get(f"/secrets/{PATH}").text
    assert decision_id in page
    assert "43" in page


def test_a_deletion_asks_for_the_path(
    affirming: None, custodian: Console, app: Flask, services: Services
) -> None:
    """A slip of the mouse deletes nothing; afterwards guests do not get it, versions stay."""
    address = "/secrets/default/demo/secret"
    assert "Type the path" in custodian.get(f"{address}/delete").text
    assert custodian.post(f"{address}/delete", path="default/demo/other").status_code == 400
    assert custodian.post(f"{address}/delete", path="default/demo/secret").status_code == 303
    guest = RawGuest(app.test_client())
    guest.attest()
    assert guest.resource().status_code == 404
    assert sizes(app, services, "default/demo/secret") == [len(SECRET)]
    assert "deleted" in custodian.get(address).text
    assert custodian.post(f"{address}/delete", path="default/demo/secret").status_code == 404


def test_the_list_stays_within_a_repository(custodian: Console) -> None:
    """A repository or a type narrows the list, and pages keep to it."""
    for path in ("a/x/1", "a/x/2", "a/y/3", "b/x/4"):
        write(custodian, path)
    page = custodian.get("/secrets?repository=a&type=x&limit=1").text
    assert "/secrets/a/x/1" in page
    assert "/secrets/a/x/2" not in page
    assert "after=a/x/1" in page
    page = custodian.get("/secrets?repository=a&type=x&limit=1&after=a/x/1").text
    assert "/secrets/a/x/2" in page
    assert custodian.get("/secrets?after=x").status_code == 400


def test_an_auditor_reads_and_is_offered_nothing(console: Callable[..., Console]) -> None:
    """Metadata is for auditors too; changing is not."""
    assert "/secrets/new" not in console(Role.AUDITOR).get("/secrets").text
