"""Signed messages in the browser: who signed is seen before anything is registered, and after."""

from __future__ import annotations

import html
import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from console_client import Console
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask import Flask
from message_signing import KEY, encoded, envelope, message, statement
from servers import AdminKey, make_settings

from app.blueprints.deps import EXTENSION
from app.console.permissions import Role
from app.factory import build


@pytest.fixture
def app(tmp_path: Path, prepared: tuple[Path, AdminKey]) -> Iterator[Flask]:
    """A server that trusts one signer, who may name what begins with ``snp_``."""
    shutil.copytree(prepared[0], tmp_path, dirs_exist_ok=True)
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "ci.pem").write_bytes(public)
    signer = {"public_key_file": tmp_path / "ci.pem", "name_prefixes": ["snp_"]}
    rvps = {"extractors": ["in-toto", "sample"], "signers": {"ci": signer}}
    app = build(make_settings(tmp_path, rvps=rvps))
    yield app
    app.extensions[EXTENSION].close()


@pytest.fixture
def author(console: Callable[..., Console]) -> Console:
    """Someone who may write reference values."""
    return console(Role.POLICY_AUTHOR)


def upload(author: Console, content: Any, **how: Any) -> Any:
    """Import a signed statement."""
    signed = message(encoded(envelope(content, **how)), "in-toto")
    return author.post(
        "/reference-values/import", file=(io.BytesIO(json.dumps(signed).encode()), "signed.json")
    )


def carried(preview: Any) -> dict[str, str]:
    """What the page of what would change carries to the next."""
    found = re.findall(
        r'type="hidden" name="(content|filename|seen)" value="([^"]*)"', preview.text
    )
    return {name: html.unescape(value) for name, value in found}


STRANGER = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(
    ("members", "how", "told"),
    [
        ({}, {"key": STRANGER}, "nobody who is trusted"),
        (
            {"subject": [{"name": "tdx_a", "digest": {"sha384": "ab" * 48}}]},
            {},
            "not its signer",
        ),
    ],
)
def test_a_message_of_a_stranger_comes_back_with_its_fault(
    author: Console, members: dict[str, Any], how: dict[str, Any], told: str
) -> None:
    """On the page of the import, which says that nothing was registered."""
    page = upload(author, statement(**members), **how)
    assert page.status_code == 403
    assert "Nothing was registered." in page.text
    assert told in html.unescape(page.text)


def test_who_signed_is_seen_before_and_after(author: Console) -> None:
    """On the page of what would change, on the page of the value, and in its history."""
    preview = upload(author, statement())
    assert "in-toto, signed by ci" in preview.text
    form = carried(preview)
    assert author.post("/reference-values/import/apply", **form).status_code == 303
    page = author.get("/reference-values/show?name=snp_launch_measurement").text
    facts = dict(re.findall(r"<dt>(\w+)</dt><dd[^>]*>(.*?)</dd>", page))
    assert (facts["Extractor"], facts["Signer"]) == ("<code>in-toto</code>", "ci")
    assert re.search(r"<code>[0-9a-f]{64}</code>", facts["Message"])
    assert "an-policy-author" in facts["Registered"]


def test_whoever_approves_sees_who_signed_and_is_told_when_they_do_not_count_any_more(
    author: Console, tmp_path: Path
) -> None:
    """The settings were changed between proposal and approval: nothing is registered."""
    preview = upload(author, statement())
    form = carried(preview) | {"as": "draft"}
    path = author.post("/reference-values/import/apply", **form).location.removeprefix("/console")
    assert "in-toto, signed by ci" in author.get(path).text
    changed = build(make_settings(tmp_path, rvps={"extractors": ["in-toto"]}))
    owner = Console.of(changed, changed.extensions[EXTENSION], Role.OWNER)
    page = owner.post(f"{path}/approve", revision="1")
    assert (page.status_code, page.headers["Vouchgate-Reason"]) == (400, "signer-untrusted")
    assert "not trusted any more" in page.text
    assert "snp_launch_measurement" not in owner.get("/reference-values").text
    changed.extensions[EXTENSION].close()
