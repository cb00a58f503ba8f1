"""Reference values in the browser: searched, added, imported, withdrawn."""

from __future__ import annotations

import html
import io
import json
import re
import secrets
import zlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from console_client import Console
from flask import Flask
from raw_guest import RawGuest

from app.attestation.reference_values import ReferenceValue
from app.blueprints.services import Services
from app.console.permissions import Role
from guest.wire.encoding import b64_encode

NAME = "rvps:///vendor/firmware:v2?a=b&c"


@pytest.fixture
def author(console: Callable[..., Console]) -> Console:
    """Someone who may write reference values."""
    return console(Role.POLICY_AUTHOR)


def add(author: Console, name: str, value: str = "[1]", expires_at: str = "") -> Any:
    """Fill in the form for one value."""
    return author.post("/reference-values/new", name=name, value=value, expires_at=expires_at)


def hidden(page: Any) -> dict[str, str]:
    """The hidden fields of a page's main form."""
    fields = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text)
    return {name: html.unescape(value) for name, value in fields if name != "csrf_token"}


def upload(author: Console, content: bytes, filename: str) -> Any:
    """Import a file."""
    return author.post("/reference-values/import", file=(io.BytesIO(content), filename))


@pytest.mark.parametrize(
    ("value", "expires_at", "fault"),
    [
        ("abc", "", "a value is JSON"),
        ('{"a": 1, "a": 2}', "", "a value is JSON"),
        ("[1]", "tomorrow", "an expiry is a time like"),
        ("[1]", "2030-01-01T00:00", "names its offset"),
        ("[1]", "2001-01-01T00:00Z", "has expired already"),
        ("123456789123456789123", "", "no canonical JSON form"),
    ],
)
def test_a_wrong_value_comes_back_as_it_was_typed(
    author: Console, app: Flask, services: Services, value: str, expires_at: str, fault: str
) -> None:
    """The form keeps all of it, says what is wrong, and nothing is registered."""
    page = add(author, "svn", value, expires_at)
    assert page.status_code == 400
    assert fault in page.text
    assert 'value="svn"' in page.text
    with app.app_context():
        assert services.reference_values.find("svn") is None


@pytest.mark.parametrize(
    ("content", "filename", "faults"),
    [
        (b"", "x.json", ["Line 1: this is no JSON"]),
        (b'{"a": 1,\n "b": }', "x.json", ["Line 2: this is no JSON"]),
        (b'{"a": 1,\n\n "b": 1,\n "a": 2}', "x.json", ["Line 4: the name stands on line 1"]),
        (b"1", "x.json", ["Line 1: a file of values"]),
        (b"{}", "x.json", ["there is no value"]),
        (b'{"a": 1,\n "": 1,\n "b": null}', "x.json", ["Line 2: a name has", "Line 3: "]),
        (b'{"type": "corim", "payload": "x"}', "x.json", ["Line 1: this type", "not among"]),
        (b'{"type": "sample", "payload": "?"}', "x.json", ["base64"]),
        (b'[{"name": "a"},\n 1]', "x.json", ["Line 1: each entry", "Line 2: each entry"]),
        (b'[{"name": "a", "value": 1, "expires_at": 1}]', "x.json", ["Line 1: name and exp"]),
        (b'[{"name":"a","value":1,"expires_at":"2001-01-01T00:00Z"}]', "x", ["has expired"]),
        (b"a,b\n1,2\n", "x.csv", ["Line 1: a CSV file has the columns name and value"]),
        (b"name,value\nx\ny,1,2\nz,1\n", "x.csv", ["Line 2: there are", "Line 3: there are"]),
        (b"name,value,expires_at\nx,1,never\n", "x.csv", ["Line 2: an expiry"]),
        (b'name,value\nx,"1\n2"\ny,1\nx,2\n', "x.csv", ["Line 5: the name stands on line 2"]),
        (b"name,value\na,1\n\xff,1\n", "x.csv", ["Line 3: this is no text in UTF-8"]),
        (b'name,value\n"x,1\n', "x.csv", ["this is no CSV"]),
        (b"name,value\n", "x.csv", ["there is no value"]),
    ],
)
def test_a_file_that_does_not_fit_registers_nothing(
    author: Console,
    app: Flask,
    services: Services,
    content: bytes,
    filename: str,
    faults: list[str],
) -> None:
    """All of a file or none of it; every fault is named, with its line."""
    page = upload(author, content, filename)
    assert page.status_code == 400
    for fault in faults:
        assert fault in page.text
    with app.app_context():
        assert services.reference_values.page(after=None, limit=10) == []


def test_an_import_without_a_file_is_asked_for_one(author: Console) -> None:
    """An empty form says so."""
    assert "Choose a file." in author.post("/reference-values/import").text


MESSAGE = {"type": "sample", "payload": b64_encode(b'{"a": ["x"], "b": 2}')}
OTHER = {"type": "sample", "payload": b64_encode(b'{"b": 2}')}


@pytest.mark.parametrize(
    ("content", "filename"),
    [
        (b'{"a": ["x"], "b": 2}', "values.json"),
        (b'\xef\xbb\xbfname,value,expires_at\na,"[""x""]",2100-01-01T00:00Z\nb,2,\n', "v.CSV"),
        (b'[{"name": "a", "value": ["x"]}, {"name": "b", "value": 2}]', "list.json"),
        (json.dumps(MESSAGE).encode(), "message.json"),
    ],
    ids=["object", "csv", "list", "message"],
)
def test_each_kind_of_file_is_looked_at_and_then_registered(
    author: Console, app: Flask, services: Services, content: bytes, filename: str
) -> None:
    """First the page of what would change, with nothing registered; then one audit record."""
    page = upload(author, content, filename)
    assert page.status_code == 200
    assert "2 added" in page.text
    with app.app_context():
        assert services.reference_values.page(after=None, limit=10) == []
    assert author.post("/reference-values/import/apply", **hidden(page)).status_code == 303
    with app.app_context():
        values = {v.name: v.value for v in services.reference_values.page(after=None, limit=10)}
        entry = services.audit.page(before=None, limit=1)[0].entry
    assert values == {"a": ["x"], "b": 2}
    assert (entry.action, entry.actor.name) == ("reference-value:register", "an-policy-author")


def test_several_messages_in_one_file_are_registered_together(
    author: Console, app: Flask, services: Services
) -> None:
    """As a list; a name in two of them is a fault."""
    good = [MESSAGE, {"type": "sample", "payload": b64_encode(b'{"c": 3}')}]
    page = upload(author, json.dumps(good, indent=1).encode(), "m.json")
    assert author.post("/reference-values/import/apply", **hidden(page)).status_code == 303
    with app.app_context():
        names = [v.name for v in services.reference_values.page(after=None, limit=10)]
    assert names == ["a", "b", "c"]
    page = upload(author, json.dumps([MESSAGE, OTHER], indent=1).encode(), "m.json")
    assert "the name stands on line 2 already" in page.text


def test_what_would_change_is_shown_beside_what_is(author: Console) -> None:
    """Added, replaced, renewed; old and new value in words of their own."""
    add(author, "a", "[1]")
    add(author, "b", "true")
    page = upload(author, b'{"a": [1, 2],\n "b": true,\n "c": "<b>"}', "x.json").text
    for words in ("1 added", "1 replaced", "1 renewed", "[1, 2]", "&lt;b&gt;"):
        assert words in page


def test_an_import_that_was_looked_at_too_long_ago_is_shown_again(
    author: Console, app: Flask, services: Services
) -> None:
    """What is registered changed meanwhile: nothing of it is replaced unseen."""
    page = upload(author, b'{"a": 1}', "x.json")
    add(author, "a", "2")
    again = author.post("/reference-values/import/apply", **hidden(page))
    assert again.status_code == 409
    assert "changed since you looked" in again.text
    with app.app_context():
        assert services.reference_values.get("a").value == 2
    assert author.post("/reference-values/import/apply", **hidden(again)).status_code == 303
    with app.app_context():
        assert services.reference_values.get("a").value == 1


@pytest.mark.parametrize("content", ["", "?", "AAAA", b64_encode(zlib.compress(b"{}")[:-3])])
def test_a_file_that_did_not_come_back_whole_is_refused(author: Console, content: str) -> None:
    """The form carries it; whoever changes it learns so."""
    form = {"content": content, "filename": "x.json", "seen": "0" * 64}
    assert author.post("/reference-values/import/apply", **form).status_code == 400


def test_a_carried_file_cannot_fill_the_memory(author: Console) -> None:
    """A small field that inflates to very much is cut off."""
    bomb = b64_encode(zlib.compress(b" " * 50_000_000))
    form = {"content": bomb, "filename": "x.json", "seen": "0" * 64}
    assert author.post("/reference-values/import/apply", **form).status_code == 400


def test_a_file_that_no_form_holds_is_for_the_terminal(author: Console) -> None:
    """Half a megabyte of fields is what a form has, and chance does not get smaller."""
    content = json.dumps({"a": secrets.token_urlsafe(340_000)}).encode()
    page = upload(author, content, "x.json")
    assert page.status_code == 413
    assert "import it from the terminal" in page.text


def test_a_text_of_a_table_needs_no_quotes(author: Console, app: Flask, services: Services) -> None:
    """What is no JSON is the text itself."""
    page = upload(author, b"name,value\na,abcde\n", "x.csv")
    author.post("/reference-values/import/apply", **hidden(page))
    with app.app_context():
        assert services.reference_values.get("a").value == "abcde"


def test_names_are_found_by_a_part_and_paged(author: Console) -> None:
    """A search keeps to its part over pages."""
    for name in ("snp_a", "snp_b", "snp_c", "tdx_a"):
        add(author, name)
    author.get("/reference-values")
    page = author.get("/reference-values?q=SNP&limit=2").text
    assert "snp_b" in page
    assert "snp_c" not in page
    assert "after=snp_b" in page
    assert "q=SNP" in page
    page = author.get("/reference-values?q=SNP&limit=2&after=snp_b").text
    assert "snp_c" in page
    assert "tdx_a" not in page


def test_a_withdrawal_is_confirmed_and_audited(
    author: Console, app: Flask, services: Services
) -> None:
    """Any legal name can be withdrawn; asking changes nothing."""
    add(author, NAME, '["<b>"]')
    page = author.client.get("/console/reference-values/withdraw", query_string={"name": NAME})
    assert page.status_code == 200
    assert "<b>" not in page.text
    assert author.post("/reference-values/withdraw", name=NAME).status_code == 303
    with app.app_context():
        assert services.reference_values.find(NAME) is None
        entry = services.audit.page(before=None, limit=1)[0].entry
    assert (entry.action, entry.subject) == ("reference-value:withdraw", NAME)
    assert author.post("/reference-values/withdraw", name=NAME).status_code == 404


def test_readers_are_offered_nothing_to_change(
    author: Console, console: Callable[..., Console]
) -> None:
    """A viewer finds the value and no form but the search."""
    add(author, "svn")
    page = console(Role.VIEWER).get("/reference-values").text
    assert "svn" in page
    assert "withdraw" not in page


def test_expiry_is_a_state_and_a_filter(author: Console, app: Flask, services: Services) -> None:
    """Active, soon over, over: to the moment, each found by its own filter."""
    now = services.clock.now()
    add(author, "lasting")
    add(author, "soon", expires_at=(now + timedelta(days=29)).isoformat())
    with app.app_context(), services.reference_values._transactions():
        over = ReferenceValue("over", 1, now - timedelta(seconds=1), now, "tests")
        services.reference_values._store.put([over], "tests")
    for state, name in (("active", "lasting"), ("expiring", "soon"), ("expired", "over")):
        page = author.get(f"/reference-values?state={state}").text
        assert [each for each in ("lasting", "soon", "over") if f"name={each}" in page] == [name]
        assert state in page
    assert author.get("/reference-values?state=young").status_code == 400


def test_the_history_tells_what_was_and_who(author: Console) -> None:
    """Registered, replaced, withdrawn, registered again: all of it stays."""
    add(author, NAME, '["<1>"]')
    add(author, NAME, "[2]")
    author.post("/reference-values/withdraw", name=NAME)
    query = {"name": NAME}
    page = author.client.get("/console/reference-values/show", query_string=query)
    assert page.status_code == 200
    for words in ("withdrawn", "replaced", "&lt;1&gt;", "an-policy-author", "Register again"):
        assert words in page.text
    assert author.get("/reference-values/show?name=never").status_code == 404
    assert author.get("/reference-values/show").status_code == 404


def test_readers_are_the_policies_that_read_it(author: Console) -> None:
    """By the source of the policy, whether or not a guest was ever judged."""
    add(author, "snp_launch_measurement")
    add(author, "nobodys")
    page = author.get("/reference-values/show?name=snp_launch_measurement").text
    assert "/policies/attestation/default_cpu" in page
    page = author.get("/reference-values?use=unread").text
    assert "nobodys" in page
    assert "snp_launch_measurement" not in page


def test_what_guests_were_judged_by_is_missing_first(author: Console, guest: RawGuest) -> None:
    """The sample TEE asks for svn; the names of other TEEs are missing too, and come later."""
    decision_id = guest.attest().headers["Vouchgate-Decision"]
    page = author.get("/reference-values/missing").text
    assert decision_id in page
    assert page.index(">svn<") < page.index(">snp_launch_measurement<")
    add(author, "svn", '["1"]')
    assert ">svn<" not in author.get("/reference-values/missing").text
