"""Resource URIs taken apart."""

from __future__ import annotations

import pytest

from app.broker.plugins.enabled import Plugins
from app.broker.plugins.resource import PLUGIN
from app.broker.secrets import ResourceID
from app.console.inspection.resource_uris import URIInspector
from app.trust.errors import MalformedResourceError

THERE = ResourceID("r", "t", "g")


@pytest.fixture
def inspector() -> URIInspector:
    """One secret, one plugin, no policy."""
    return URIInspector(Plugins([PLUGIN]), lambda found: found == THERE, lambda _: ())


@pytest.mark.parametrize("text", ["", "kbs:///", "https://x/r/t/g", "kbs+://x/y", "kbs:///r//g"])
def test_what_is_no_uri_is_refused(inspector: URIInspector, text: str) -> None:
    """With the reason that a guest would meet."""
    with pytest.raises(MalformedResourceError):
        inspector.inspect(text, tells_existence=True)


def test_existence_is_told_to_those_who_may_know(inspector: URIInspector) -> None:
    """To others it is not even looked up."""
    assert inspector.inspect("kbs:///r/t/g", tells_existence=True).exists is True
    assert inspector.inspect("kbs:///r/t/other", tells_existence=True).exists is False
    assert inspector.inspect("kbs:///r/t/g", tells_existence=False).exists is None


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("r/t/g", "kbs:///r/t/g"),
        ("/r/t/g", "kbs:///r/t/g"),
        ("KBS:///r/t/g#x", "kbs:///r/t/g"),
        ("kbs+resource:///r/t/g", "kbs:///r/t/g"),
        ("kbs://kbs.example:8443/r/t/g", "kbs://kbs.example:8443/r/t/g"),
    ],
)
def test_every_form_has_a_canonical_one(inspector: URIInspector, text: str, canonical: str) -> None:
    """And leads to the same request, whatever the host."""
    found = inspector.inspect(text, tells_existence=True)
    assert str(found.uri) == canonical
    assert found.request == "GET /kbs/v0/resource/r/t/g"


def test_a_swallowed_repository_is_told(inspector: URIInspector) -> None:
    """Two slashes make the repository a host, which fails only at the KBS."""
    found = inspector.inspect("kbs://r/t/g", tells_existence=True)
    assert found.meant == "kbs:///r/t/g"
    assert found.code == "malformed-resource-path"


def test_a_plugin_that_is_not_enabled_is_told(inspector: URIInspector) -> None:
    """With the reason code of the refusal."""
    found = inspector.inspect("kbs+nebula-ca:///credential?name=a", tells_existence=True)
    assert (found.code, found.exists) == ("plugin-not-found", None)
    assert found.request == "GET /kbs/v0/nebula-ca/credential?name=a"
