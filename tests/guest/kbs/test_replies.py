"""What an answer means."""

from __future__ import annotations

from typing import Any

import pytest

from guest.errors import (
    DeniedError,
    NotFoundError,
    ProtocolError,
    RequestRefusedError,
    UnauthorizedError,
    UnavailableError,
)
from guest.kbs.replies import check_success, success_json


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (201, RequestRefusedError),
        (204, RequestRefusedError),
        (400, RequestRefusedError),
        (401, UnauthorizedError),
        (403, DeniedError),
        (404, NotFoundError),
        (413, RequestRefusedError),
        (429, UnavailableError),
        (500, RequestRefusedError),
        (503, UnavailableError),
    ],
)
def test_each_status_has_its_error(reply: Any, status: int, kind: type[Exception]) -> None:
    """Only 200 is success (guest.md 4.4)."""
    with pytest.raises(kind) as caught:
        success_json(reply(status, {}))
    assert type(caught.value) is kind
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("name", "more", "kind"),
    [
        ("PolicyDeny", {}, DeniedError),
        ("PluginInternalError", {}, RequestRefusedError),
        ("TokenNotFound", {}, UnauthorizedError),
        ("TokenVerifierError", {}, UnauthorizedError),
        ("SomethingNew", {}, UnauthorizedError),
        ("PolicyDeny", {"code": "token-expired"}, UnauthorizedError),
    ],
)
def test_trustees_401_is_final_where_attesting_cannot_help(
    reply: Any, name: str, more: dict[str, str], kind: type[Exception]
) -> None:
    """A denial by Trustee's KBS costs no second attestation; a reason code of ours counts more."""
    body = {"type": f"https://github.com/confidential-containers/kbs/errors/{name}", **more}
    with pytest.raises(kind) as caught:
        check_success(reply(401, body))
    assert type(caught.value) is kind


def test_a_refusal_carries_the_servers_words(reply: Any) -> None:
    """Detail, reason code and decision id."""
    value = {"type": "…/PolicyDeny", "detail": "the policy says no", "code": "policy-denied"}
    with pytest.raises(DeniedError, match="the policy says no") as caught:
        check_success(reply(403, value, vouchgate_decision="d-1"))
    assert (caught.value.reason, caught.value.decision_id) == ("policy-denied", "d-1")
    with pytest.raises(DeniedError) as caught:
        check_success(reply(403, value, vouchgate_reason="other"))
    assert (caught.value.reason, caught.value.decision_id) == ("other", "")


@pytest.mark.parametrize(
    "value", [b"", b"\xff\xfe", b"plain text", b"[]", {"detail": 1}, {"code": []}, b"{" * 1000]
)
def test_a_refusal_may_say_anything(reply: Any, value: Any) -> None:
    """Upstream's AS and proxies answer in plain text; none of it breaks the guest."""
    with pytest.raises(UnauthorizedError):
        check_success(reply(401, value))


def test_a_refusal_reaches_a_terminal_as_one_line(reply: Any) -> None:
    """Control characters of a server do not."""
    with pytest.raises(DeniedError) as caught:
        check_success(reply(403, {"detail": "a\x1b[2J\r\nb" + "x" * 9000}))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("value", [b"", b"{", b'{"a":1,"a":2}'])
def test_success_is_strict_json(reply: Any, value: bytes) -> None:
    """One meaning or none."""
    with pytest.raises(ProtocolError):
        success_json(reply(200, value))


def test_success_is_its_json(reply: Any) -> None:
    """The value itself."""
    assert success_json(reply(200, {"token": "t"})) == {"token": "t"}
