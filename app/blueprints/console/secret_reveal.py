"""The pages that show the value of a secret: a reason first, then the value, once."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from flask import Blueprint, make_response, render_template, request
from flask.typing import ResponseReturnValue

from app.blueprints.console.secret_changes import version_of
from app.blueprints.console.secrets import ONE
from app.blueprints.deps import services
from app.blueprints.gate import access, actor, recently_authenticated
from app.blueprints.parsing import whole_number
from app.broker.secrets import ResourceID
from app.console.permissions import Permission
from app.trust.errors import MalformedRequestError, RevealDisabledError


@dataclass(frozen=True, slots=True)
class ShownValue:
    """A secret as a page can show it.

    Attributes:
        text: the secret itself, or its base64.
        is_base64: whether it is the latter, because the secret is no text.
        size_bytes: of the secret.
    """

    text: str = field(repr=False)
    is_base64: bool
    size_bytes: int


def add_to(bp: Blueprint) -> None:
    """Add the routes."""

    @bp.get(f"{ONE}/reveal")
    @access(Permission.SECRET_REVEAL)
    @recently_authenticated
    def confirm_secret_reveal(repository: str, kind: str, tag: str) -> ResponseReturnValue:
        if not services().custody.may_reveal:
            raise RevealDisabledError("the settings of this server let nobody read a secret")
        resource_id = ResourceID.of([repository, kind, tag])
        return _question(resource_id, whole_number(request.args, "version"))

    @bp.post(f"{ONE}/reveal")
    @access(Permission.SECRET_REVEAL)
    @recently_authenticated
    def reveal_secret(repository: str, kind: str, tag: str) -> ResponseReturnValue:
        resource_id = ResourceID.of([repository, kind, tag])
        version = whole_number(request.form, "version")
        reason = request.form.get("reason", "")
        try:
            plaintext = services().custody.reveal(resource_id, version, reason, actor())
        except MalformedRequestError as error:
            return _question(resource_id, version, reason=reason, fault=error.message), 400
        # Not by a redirect: the value would have to be kept somewhere in between.
        response = make_response(
            render_template(
                "console/secrets/revealed.html",
                resource_id=resource_id,
                version=version,
                value=_shown(plaintext),
            )
        )
        response.headers["Cache-Control"] = "no-store"
        return response


def _question(
    resource_id: ResourceID, number: int, *, reason: str = "", fault: str | None = None
) -> str:
    return render_template(
        "console/secrets/reveal.html",
        resource_id=resource_id,
        version=version_of(resource_id, number),
        reason=reason,
        fault=fault,
    )


def _shown(plaintext: bytes) -> ShownValue:
    try:
        text = plaintext.decode()
    except UnicodeDecodeError:
        text = None
    readable = text is not None and all(each.isprintable() or each in "\n\t" for each in text)
    shown = text if text is not None and readable else base64.b64encode(plaintext).decode()
    return ShownValue(shown, not readable, len(plaintext))
