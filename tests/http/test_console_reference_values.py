"""Reference values in the browser: searched, added, imported, withdrawn."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from console_client import Console
from flask import Flask

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
    ("content", "filename", "fault"),
    [
        (b"", "x.json", "neither a JSON object nor CSV"),
        (b"[1]", "x.json", "neither a JSON object nor CSV"),
        (b"{}", "x.json", "1 to"),
        (b'{"type": "corim", "payload": "x"}', "x.json", "not among"),
        (b'{"type": "sample", "payload": "?"}', "x.json", "base64"),
        (b"a,b\n1,2\n", "x.csv", "columns name and value"),
        (b"name,value\nx\n", "x.csv", "line 2"),
        (b"name,value\nx,1,2\n", "x.csv", "line 2"),
        (b"name,value,expires_at\nx,1,never\n", "x.csv", "line 2"),
        (b"name,value\n\xff,1\n", "x.csv", "no CSV in UTF-8"),
        (b'name,value\n"x,1\n', "x.csv", "no CSV in UTF-8"),
        (b"name,value\n", "x.csv", "1 to"),
    ],
)
def test_a_file_that_does_not_fit_registers_nothing(
    author: Console, app: Flask, services: Services, content: bytes, filename: str, fault: str
) -> None:
    """All of a file or none of it, and the fault stands at the field."""
    page = upload(author, content, filename)
    assert page.status_code == 400
    assert fault in page.text
    with app.app_context():
        assert services.reference_values.page(after=None, limit=10) == []


def test_an_import_without_a_file_is_asked_for_one(author: Console) -> None:
    """An empty form says so."""
    assert "Choose a file." in author.post("/reference-values/import").text


@pytest.mark.parametrize(
    ("content", "filename"),
    [
        (b'{"a": ["x"], "b": 2}', "values.json"),
        (b'\xef\xbb\xbfname,value,expires_at\na,"[""x""]",2100-01-01T00:00Z\nb,2,\n', "v.CSV"),
        (
            json.dumps({"type": "sample", "payload": b64_encode(b'{"a": ["x"], "b": 2}')}).encode(),
            "message.json",
        ),
    ],
    ids=["object", "csv", "message"],
)
def test_each_kind_of_file_is_read(
    author: Console, app: Flask, services: Services, content: bytes, filename: str
) -> None:
    """An object, a table, a message for the RVPS: one audit record each."""
    assert upload(author, content, filename).status_code == 303
    with app.app_context():
        values = {v.name: v.value for v in services.reference_values.page(after=None, limit=10)}
        entry = services.audit.page(before=None, limit=1)[0].entry
    assert values == {"a": ["x"], "b": 2}
    assert (entry.action, entry.actor.name) == ("reference-value:register", "an-policy-author")


def test_a_text_of_a_table_needs_no_quotes(author: Console, app: Flask, services: Services) -> None:
    """What is no JSON is the text itself."""
    upload(author, b"name,value\na,abcde\n", "x.csv")
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
