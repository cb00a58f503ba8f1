"""Secrets in the browser: written, made, deleted, and never shown."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from console_client import Console
from flask import Flask
from raw_guest import SECRET, RawGuest

from app.blueprints.console.secret_forms import _RECIPES
from app.blueprints.services import Services
from app.broker.secrets import ResourceID
from app.console.permissions import Role
from app.console.recipes import RECIPES, made
from app.trust.errors import MalformedRequestError

PATH = "default/app/key"
VALUE = "hunter2-is-a-secret"


@pytest.fixture
def custodian(console: Callable[..., Console]) -> Console:
    """Someone who may write and delete secrets."""
    return console(Role.SECRET_CUSTODIAN)


def write(custodian: Console, path: str = PATH, **form: Any) -> Any:
    """Fill in the form; by default with a text."""
    filled = {"path": path, "origin": "text", "text": VALUE, "recipe": next(iter(RECIPES))}
    filled["based_on"] = 0
    return custodian.post("/secrets/new", **(filled | form))


def based_on(page: Any) -> int:
    """The version that a form was filled in for."""
    found = re.search(r'name="based_on"[^>]*value="(\d+)"', page.text)
    assert found
    return int(found[1])


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


def test_a_path_that_has_a_version_is_not_written_over_unseen(
    custodian: Console, app: Flask, services: Services
) -> None:
    """The second writer learns of the first, and stores only when storing once more."""
    assert write(custodian).status_code == 303
    page = write(custodian, text="mine")
    assert page.status_code == 409
    assert "written by a-secret-custodian" in page.text.replace("an-", "a-")
    assert "mine" not in page.text
    assert sizes(app, services) == [len(VALUE)]
    assert based_on(page) == 1
    assert write(custodian, text="mine", based_on=1).status_code == 303
    assert sizes(app, services) == [4, len(VALUE)]


def test_a_text_is_stored_sealed_and_audited(
    custodian: Console, app: Flask, services: Services
) -> None:
    """Each write is a version; the pages know its size and its author, not its value."""
    assert write(custodian).status_code == 303
    assert based_on(custodian.get(f"/secrets/new?path={PATH}")) == 1
    assert write(custodian, text="a\r\nb", based_on=1).status_code == 303
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
    """At least 122 random bits in each of them, and the form offers all."""
    first, second = made(recipe), made(recipe)
    assert first != second
    assert len(first) >= 32
    assert recipe in _RECIPES


def test_a_recipe_that_is_none_makes_nothing() -> None:
    """Programs name recipes, too."""
    with pytest.raises(MalformedRequestError, match="passphrase"):
        made("mine")


def test_a_guest_gets_what_was_made_and_no_page_shows_it(
    affirming: None, custodian: Console, app: Flask
) -> None:
    """Made, stored, released to the TEE; the custodian sees who got it."""
    write(custodian, origin="generated", recipe="passphrase", text="")
    assert "No guest got it." in custodian.get(f"/secrets/{PATH}/who-got").text
    guest = RawGuest(app.test_client())
    guest.attest()
    decision_id = guest.resource(PATH).headers["Vouchgate-Decision"]
    assert decision_id in custodian.get(f"/secrets/{PATH}/who-got").text
    assert "43" in custodian.get(f"/secrets/{PATH}").text


def test_releases_are_paged(affirming: None, custodian: Console, app: Flask) -> None:
    """Newest first; refusals are not among them."""
    guest = RawGuest(app.test_client())
    guest.attest()
    ids = [guest.resource().headers["Vouchgate-Decision"] for _ in range(2)]
    guest.attest(svn="0")
    denied = guest.resource().headers["Vouchgate-Decision"]
    page = custodian.get("/secrets/default/demo/secret/who-got?limit=1").text
    assert (ids[1] in page, ids[0] in page, denied in page) == (True, False, False)
    page = custodian.get(f"/secrets/default/demo/secret/who-got?limit=1&before={ids[1]}").text
    assert ids[0] in page


DEMO = "/secrets/default/demo/secret"


def test_a_deletion_asks_for_the_path(
    affirming: None, custodian: Console, app: Flask, services: Services
) -> None:
    """A slip of the mouse deletes nothing; afterwards guests do not get it, versions stay."""
    assert "Type the path" in custodian.get(f"{DEMO}/delete").text
    assert custodian.post(f"{DEMO}/delete", path="default/demo/other").status_code == 400
    assert custodian.post(f"{DEMO}/delete", path="default/demo/secret").status_code == 303
    guest = RawGuest(app.test_client())
    guest.attest()
    assert guest.resource().status_code == 404
    assert sizes(app, services, "default/demo/secret") == [len(SECRET)]
    assert "deleted" in custodian.get(DEMO).text
    assert custodian.post(f"{DEMO}/delete", path="default/demo/secret").status_code == 404


def test_a_deleted_secret_is_brought_back(affirming: None, custodian: Console, app: Flask) -> None:
    """From the list of deleted secrets, by one button; guests get it again."""
    custodian.post(f"{DEMO}/delete", path="default/demo/secret")
    assert DEMO in custodian.get("/secrets/deleted").text
    assert "comes back" in custodian.get(f"{DEMO}/restore?version=1").text
    assert custodian.post(f"{DEMO}/restore", version=1, based_on=1).status_code == 303
    assert DEMO not in custodian.get("/secrets/deleted").text
    guest = RawGuest(app.test_client())
    guest.attest()
    assert guest.open(guest.resource().json) == SECRET
    assert "is version 1 again" in custodian.get(DEMO).text


def test_an_old_version_is_restored_unless_someone_was_faster(custodian: Console) -> None:
    """What the page was based on must still be the newest."""
    write(custodian, text="one")
    write(custodian, text="two", based_on=1)
    address = f"/secrets/{PATH}/restore"
    assert custodian.post(address, version=1, based_on=1).status_code == 409
    assert custodian.post(address, version=9, based_on=2).status_code == 404
    assert custodian.get(f"{address}?version=9").status_code == 404
    assert custodian.get(f"{address}?version=x").status_code == 400
    assert "instead of that of version 2" in custodian.get(f"{address}?version=1").text
    assert custodian.post(address, version=1, based_on=2).status_code == 303


def test_only_an_owner_destroys_and_only_what_is_deleted(
    affirming: None, console: Callable[..., Console], app: Flask, services: Services
) -> None:
    """Two people or two steps: nothing that guests use is erased by one slip."""
    custodian, owner = console(Role.SECRET_CUSTODIAN), console(Role.OWNER)
    form = {"path": "default/demo/secret"}
    assert owner.get(f"{DEMO}/destroy").status_code == 404
    assert owner.post(f"{DEMO}/destroy", **form).status_code == 409
    custodian.post(f"{DEMO}/delete", **form)
    assert custodian.post(f"{DEMO}/destroy", **form).status_code == 403
    assert "Nothing brings it back." in owner.get(f"{DEMO}/destroy").text
    assert owner.post(f"{DEMO}/destroy", path="default").status_code == 400
    assert owner.post(f"{DEMO}/destroy", **form).status_code == 303
    assert owner.get(DEMO).status_code == 404
    assert sizes(app, services, "default/demo/secret") == []


def test_the_list_stays_within_what_is_looked_for(custodian: Console) -> None:
    """A repository, a type or a beginning narrows the list, and pages keep to it."""
    for path in ("a/x/1", "a/x/2", "a/y/3", "b/x/4"):
        write(custodian, path)
    page = custodian.get("/secrets?prefix=a/x/&limit=1").text
    assert "/secrets/a/x/1" in page
    assert "/secrets/a/x/2" not in page
    assert "after=a/x/1" in page
    page = custodian.get("/secrets?prefix=a/x/&limit=1&after=a/x/1").text
    assert "/secrets/a/x/2" in page
    assert custodian.get("/secrets?after=x").status_code == 400


def test_the_tree_is_open_where_one_looks(custodian: Console) -> None:
    """Types show of the open repository only; each level begins where the page before ended."""
    for path in ("a/x/1", "a/y/3", "b/z/4"):
        write(custodian, path)
    tree = custodian.get("/secrets?prefix=a/").text
    assert "prefix=a/x/" in tree
    assert "prefix=b/" in tree
    assert "prefix=b/z/" not in tree
    assert "prefix=a/x/" not in custodian.get("/secrets?prefix=a/&after_type=x").text
    assert "prefix=a/&" not in custodian.get("/secrets?after_repository=a").text


def test_no_path_begins_with_what_was_typed(custodian: Console) -> None:
    """The search comes back with what was typed and the reason."""
    page = custodian.client.get("/console/secrets", query_string={"prefix": "a/<b>"})
    assert page.status_code == 400
    assert "no path begins so" in page.text
    assert "a/&lt;b&gt;" in page.text


def test_an_auditor_reads_and_is_offered_nothing(console: Callable[..., Console]) -> None:
    """Metadata is for auditors too; changing is not."""
    assert "/secrets/new" not in console(Role.AUDITOR).get("/secrets").text
