"""Pages of secrets: list, write, delete, and who got them. No page ever shows a value."""

from __future__ import annotations

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.blueprints.console.forms import SecretForm
from app.blueprints.console.navigation import may
from app.blueprints.deps import services
from app.blueprints.gate import access, actor
from app.blueprints.parsing import page_limit
from app.broker.secrets import ResourceID, SecretVersion
from app.console.permissions import Permission
from app.console.recipes import RECIPES
from app.trust.decisions import DecisionKind, DecisionQuery
from app.trust.errors import (
    MalformedRequestError,
    MalformedResourceError,
    ResourceNotFoundError,
    TooLargeError,
)

_ONE = "/secrets/<repository>/<kind>/<tag>"
_REPOSITORIES = 200
_WHO_GOT_IT = 20


def add_to(bp: Blueprint) -> None:
    """Add the routes."""
    _add_reading(bp)
    _add_writing(bp)
    _add_deleting(bp)


def _add_reading(bp: Blueprint) -> None:
    @bp.get("/secrets")
    @access(Permission.SECRET_READ)
    def secrets() -> ResponseReturnValue:
        limit, after = page_limit(), request.args.get("after") or None
        within = tuple(filter(None, (request.args.get("repository"), request.args.get("type"))))
        start = ResourceID.of(after.split("/")) if after else None
        page = services().custody.page(after=start, limit=limit, within=within)
        return render_template(
            "console/secrets/list.html",
            secrets=page,
            repositories=services().custody.repositories(_REPOSITORIES),
            within=within,
            after=after,
            next_after=page[-1].resource_id if len(page) == limit else None,
            may_write=may(g.caller, Permission.SECRET_WRITE),
        )

    @bp.get(_ONE)
    @access(Permission.SECRET_READ)
    def secret(repository: str, kind: str, tag: str) -> ResponseReturnValue:
        resource_id, versions = _versions(repository, kind, tag)
        query = DecisionQuery(
            kind=DecisionKind.RELEASE, subject=f"resource/{resource_id}", limit=_WHO_GOT_IT
        )
        return render_template(
            "console/secrets/show.html",
            resource_id=resource_id,
            versions=versions,
            is_there=any(version.active for version in versions),
            decisions=services().decisions.page(query),
            may_write=may(g.caller, Permission.SECRET_WRITE),
            may_delete=may(g.caller, Permission.SECRET_DELETE),
        )


def _add_writing(bp: Blueprint) -> None:
    @bp.route("/secrets/new", methods=["GET", "POST"])
    @access(Permission.SECRET_WRITE)
    def new_secret() -> ResponseReturnValue:
        form = SecretForm(data={"path": request.args.get("path", "")})
        if not form.validate_on_submit():
            form.text.data = ""
            return render_template("console/secrets/new.html", form=form)
        try:
            resource_id = ResourceID.of((form.path.data or "").strip().split("/"))
            version = services().custody.write(resource_id, _value(form), actor())
        except (MalformedResourceError, MalformedRequestError, TooLargeError) as error:
            # The one text that a form does not come back with.
            form.text.data = ""
            page = render_template("console/secrets/new.html", form=form, fault=error.message)
            return page, 400
        flash(f"Version {version.version} is stored: {version.size_bytes} bytes, sealed.")
        return redirect(_address(resource_id), 303)


def _add_deleting(bp: Blueprint) -> None:
    @bp.get(f"{_ONE}/delete")
    @access(Permission.SECRET_DELETE)
    def confirm_secret_deletion(repository: str, kind: str, tag: str) -> ResponseReturnValue:
        resource_id, _ = _versions(repository, kind, tag)
        return render_template("console/secrets/delete.html", resource_id=resource_id)

    @bp.post(f"{_ONE}/delete")
    @access(Permission.SECRET_DELETE)
    def delete_secret(repository: str, kind: str, tag: str) -> ResponseReturnValue:
        resource_id = ResourceID.of([repository, kind, tag])
        if request.form.get("path") != str(resource_id):
            raise MalformedRequestError("type the path of the secret to delete it")
        services().custody.delete(resource_id, actor())
        flash(f"{resource_id} is deleted: no guest gets it any more.")
        return redirect(url_for(".secrets"), 303)


def _value(form: SecretForm) -> bytes:
    """The plaintext that a form asks to store."""
    if form.origin.data == "generated":
        return RECIPES[form.recipe.data]()
    if form.origin.data == "file":
        content: bytes = form.file.data.read() if form.file.data else b""
    else:
        # Browsers end the lines of a form with CR LF (HTML, 4.10.21.4).
        content = (form.text.data or "").replace("\r\n", "\n").encode()
    if not content:
        raise MalformedRequestError("there is nothing to store: the text or the file is empty")
    return content


def _versions(repository: str, kind: str, tag: str) -> tuple[ResourceID, list[SecretVersion]]:
    resource_id = ResourceID.of([repository, kind, tag])
    versions = services().custody.versions(resource_id)
    if not versions:
        raise ResourceNotFoundError("there is no such secret")
    return resource_id, versions


def _address(resource_id: ResourceID) -> str:
    return url_for(
        ".secret", repository=resource_id.repository, kind=resource_id.type, tag=resource_id.tag
    )
