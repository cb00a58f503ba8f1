"""Pages that change secrets: write, restore, delete, destroy."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from app.blueprints.console.secret_forms import SecretForm
from app.blueprints.console.secrets import ONE, newest_version
from app.blueprints.deps import services
from app.blueprints.gate import access, actor, recently_authenticated
from app.blueprints.parsing import whole_number
from app.broker.secrets import DeletedSecret, ResourceID, SecretVersion
from app.console.permissions import Permission
from app.console.recipes import made
from app.trust.errors import (
    ConflictError,
    MalformedRequestError,
    MalformedResourceError,
    ResourceNotFoundError,
    TooLargeError,
)


def add_to(bp: Blueprint) -> None:
    """Add the routes."""
    _add_writing(bp)
    _add_restoring(bp)
    _add_deleting(bp)
    _add_destroying(bp)


def version_of(resource_id: ResourceID, number: int) -> SecretVersion:
    """A version by its number.

    Raises:
        ResourceNotFoundError: there is none.
    """
    found = services().custody.versions(resource_id, below=number + 1, limit=1)
    if not found or found[0].version != number:
        raise ResourceNotFoundError("there is no such version of this secret")
    return found[0]


def _add_writing(bp: Blueprint) -> None:
    @bp.route("/secrets/new", methods=["GET", "POST"])
    @access(Permission.SECRET_WRITE)
    def new_secret() -> ResponseReturnValue:
        path = request.args.get("path", "")
        form = SecretForm(data={"path": path, "based_on": _known_version(path)})
        if not form.validate_on_submit():
            return _form_again(form)
        try:
            resource_id = ResourceID.of((form.path.data or "").strip().split("/"))
            version = services().custody.write(
                resource_id, _value(form), actor(), based_on=form.based_on.data or 0
            )
        except (MalformedResourceError, MalformedRequestError, TooLargeError) as error:
            return _form_again(form, fault=error.message), 400
        except ConflictError:
            return _written_meanwhile(form, resource_id), 409
        flash(
            _(
                "Version %(number)s is stored: %(size)s bytes, sealed.",
                number=version.version,
                size=version.size_bytes,
            )
        )
        return redirect(_address(resource_id), 303)


def _add_restoring(bp: Blueprint) -> None:
    @bp.get(f"{ONE}/restore")
    @access(Permission.SECRET_WRITE)
    def confirm_secret_restore(repository: str, kind: str, tag: str) -> ResponseReturnValue:
        resource_id = ResourceID.of([repository, kind, tag])
        return render_template(
            "console/secrets/restore.html",
            resource_id=resource_id,
            version=version_of(resource_id, whole_number(request.args, "version")),
            newest=newest_version(resource_id),
            deleted=services().custody.find_deleted(resource_id),
        )

    @bp.post(f"{ONE}/restore")
    @access(Permission.SECRET_WRITE)
    def restore_secret(repository: str, kind: str, tag: str) -> ResponseReturnValue:
        resource_id = ResourceID.of([repository, kind, tag])
        old = whole_number(request.form, "version")
        based_on = whole_number(request.form, "based_on")
        version = services().custody.restore(resource_id, old, actor(), based_on=based_on)
        flash(
            _(
                "Guests get version %(number)s from now on; it is version %(old)s again.",
                number=version.version,
                old=old,
            )
        )
        return redirect(_address(resource_id), 303)


def _add_deleting(bp: Blueprint) -> None:
    @bp.get(f"{ONE}/delete")
    @access(Permission.SECRET_DELETE)
    def confirm_secret_deletion(repository: str, kind: str, tag: str) -> ResponseReturnValue:
        resource_id = ResourceID.of([repository, kind, tag])
        if not newest_version(resource_id):
            raise ResourceNotFoundError("there is no such secret")
        return render_template(
            "console/secrets/delete.html",
            resource_id=resource_id,
            days=services().custody.recovery.days,
        )

    @bp.post(f"{ONE}/delete")
    @access(Permission.SECRET_DELETE)
    def delete_secret(repository: str, kind: str, tag: str) -> ResponseReturnValue:
        resource_id = ResourceID.of([repository, kind, tag])
        _require_typed(resource_id)
        services().custody.delete(resource_id, actor())
        flash(_("%(path)s is deleted: no guest gets it any more.", path=resource_id))
        return redirect(_address(resource_id), 303)


def _add_destroying(bp: Blueprint) -> None:
    @bp.get(f"{ONE}/destroy")
    @access(Permission.SECRET_DESTROY)
    @recently_authenticated
    def confirm_secret_destruction(repository: str, kind: str, tag: str) -> ResponseReturnValue:
        deleted = _deleted(ResourceID.of([repository, kind, tag]))
        return render_template(
            "console/secrets/destroy.html",
            resource_id=deleted.resource_id,
            deleted=deleted,
            until=services().custody.recoverable_until(deleted),
        )

    @bp.post(f"{ONE}/destroy")
    @access(Permission.SECRET_DESTROY)
    @recently_authenticated
    def destroy_secret(repository: str, kind: str, tag: str) -> ResponseReturnValue:
        resource_id = ResourceID.of([repository, kind, tag])
        _require_typed(resource_id)
        services().custody.destroy(resource_id, actor())
        flash(_("%(path)s is destroyed: nothing brings it back.", path=resource_id))
        return redirect(url_for(".deleted_secrets"), 303)


def _form_again(form: SecretForm, **shown: object) -> str:
    """The form with what was typed, but for the one text that never comes back."""
    form.text.data = ""
    return render_template("console/secrets/new.html", form=form, **shown)


def _written_meanwhile(form: SecretForm, resource_id: ResourceID) -> str:
    """Someone was faster: show what there is, and let whoever still wants to store once more."""
    newest = services().custody.versions(resource_id, limit=1)
    form.based_on.raw_data = None
    form.based_on.data = newest[0].version if newest else 0
    return _form_again(form, newest=newest[0] if newest else None, is_conflict=True)


def _known_version(path: str) -> int:
    """What a form for this path is based on."""
    return newest_version(ResourceID.of(path.split("/"))) if path else 0


def _value(form: SecretForm) -> bytes:
    """The plaintext that a form asks to store."""
    if form.origin.data == "generated":
        return made(form.recipe.data)
    if form.origin.data == "file":
        content: bytes = form.file.data.read() if form.file.data else b""
    else:
        # Browsers end the lines of a form with CR LF (HTML, 4.10.21.4).
        content = (form.text.data or "").replace("\r\n", "\n").encode()
    if not content:
        raise MalformedRequestError("there is nothing to store: the text or the file is empty")
    return content


def _deleted(resource_id: ResourceID) -> DeletedSecret:
    deleted = services().custody.find_deleted(resource_id)
    if deleted is None:
        raise ResourceNotFoundError("no deleted secret has this path")
    return deleted


def _require_typed(resource_id: ResourceID) -> None:
    if request.form.get("path") != str(resource_id):
        raise MalformedRequestError("type the path of the secret to confirm")


def _address(resource_id: ResourceID) -> str:
    return url_for(
        ".secret", repository=resource_id.repository, kind=resource_id.type, tag=resource_id.tag
    )
