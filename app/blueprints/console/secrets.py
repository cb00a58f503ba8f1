"""Pages of secrets: the tree, a secret and its versions, and what was deleted."""

from __future__ import annotations

from flask import Blueprint, g, render_template, request
from flask.typing import ResponseReturnValue

from app.blueprints.console.api_secrets import after_path, attested_guest, releases_of
from app.blueprints.console.navigation import may
from app.blueprints.deps import services
from app.blueprints.gate import access
from app.blueprints.parsing import page_limit, whole_number
from app.broker.secrets import VERSION_PAGE, PathPrefix, ResourceID
from app.console.permissions import Permission
from app.console.secret_tree import opened
from app.trust.errors import MalformedResourceError, ResourceNotFoundError

ONE = "/secrets/<repository>/<kind>/<tag>"


def add_to(bp: Blueprint) -> None:
    """Add the routes."""
    _add_lists(bp)
    _add_one(bp)
    _add_who(bp)


def _add_lists(bp: Blueprint) -> None:
    @bp.get("/secrets")
    @access(Permission.SECRET_READ)
    def secrets() -> ResponseReturnValue:
        limit, wanted, fault = page_limit(), request.args.get("prefix", ""), None
        try:
            within = PathPrefix.parse(wanted)
        except MalformedResourceError as error:
            within, fault = PathPrefix(), error.message
        page = services().custody.page(after=after_path(), limit=limit, within=within)
        tree = opened(
            services().custody,
            within,
            after_repository=request.args.get("after_repository"),
            after_type=request.args.get("after_type"),
        )
        shown = render_template(
            "console/secrets/list.html",
            secrets=() if fault else page,
            tree=tree,
            wanted=wanted,
            fault=fault,
            after=request.args.get("after"),
            next_after=page[-1].resource_id if len(page) == limit and not fault else None,
            may_write=may(g.caller, Permission.SECRET_WRITE),
        )
        return shown, 400 if fault else 200

    @bp.get("/secrets/deleted")
    @access(Permission.SECRET_READ)
    def deleted_secrets() -> ResponseReturnValue:
        limit = page_limit()
        page = services().custody.deleted(after=after_path(), limit=limit)
        return render_template(
            "console/secrets/deleted.html",
            secrets=[(each, services().custody.recoverable_until(each)) for each in page],
            after=request.args.get("after"),
            next_after=page[-1].resource_id if len(page) == limit else None,
        )


def _add_one(bp: Blueprint) -> None:
    @bp.get(ONE)
    @access(Permission.SECRET_READ)
    def secret(repository: str, kind: str, tag: str) -> ResponseReturnValue:
        resource_id = ResourceID.of([repository, kind, tag])
        below = whole_number(request.args, "before", 0) or None
        versions = services().custody.versions(resource_id, below=below)
        if not versions:
            raise ResourceNotFoundError("there is no such secret")
        return render_template(
            "console/secrets/show.html",
            versions=versions,
            older=versions[-1].version if len(versions) == VERSION_PAGE else None,
            **_head(resource_id),
        )


def _add_who(bp: Blueprint) -> None:
    @bp.get(f"{ONE}/who-got")
    @access(Permission.SECRET_READ)
    def who_got_secret(repository: str, kind: str, tag: str) -> ResponseReturnValue:
        resource_id = ResourceID.of([repository, kind, tag])
        query = releases_of(resource_id)
        page = services().decisions.page(query)
        return render_template(
            "console/secrets/who_got.html",
            decisions=page,
            before=query.before,
            older=page[-1].decision_id if len(page) == query.limit else None,
            **_head(resource_id),
        )

    @bp.get(f"{ONE}/who-may")
    @access(Permission.SECRET_READ)
    def who_may_get_secret(repository: str, kind: str, tag: str) -> ResponseReturnValue:
        resource_id = ResourceID.of([repository, kind, tag])
        return render_template(
            "console/secrets/who_may.html",
            prospects=services().secret_reach.who_may(resource_id),
            **_head(resource_id),
        )

    @bp.get("/decisions/<decision_id>/secrets")
    @access(Permission.SECRET_READ)
    def what_guest_may_get(decision_id: str) -> ResponseReturnValue:
        limit, guest = page_limit(), attested_guest(decision_id)
        page = services().custody.page(after=after_path(), limit=limit)
        paths = [each.resource_id for each in page]
        return render_template(
            "console/secrets/within_reach.html",
            guest=guest,
            prospects=services().secret_reach.what_may(guest, paths),
            after=request.args.get("after"),
            next_after=paths[-1] if len(page) == limit else None,
        )


def _head(resource_id: ResourceID) -> dict[str, object]:
    """What the head of every page about one secret shows."""
    deleted = services().custody.find_deleted(resource_id)
    return {
        "resource_id": resource_id,
        "newest": newest_version(resource_id),
        "deleted": deleted,
        "until": services().custody.recoverable_until(deleted) if deleted else None,
        "may_write": may(g.caller, Permission.SECRET_WRITE),
        "may_delete": may(g.caller, Permission.SECRET_DELETE),
        "may_reveal": services().custody.may_reveal and may(g.caller, Permission.SECRET_REVEAL),
        "may_destroy": may(g.caller, Permission.SECRET_DESTROY),
    }


def newest_version(resource_id: ResourceID) -> int:
    """The number of the newest version that is still here; 0 when there is none."""
    newest = services().custody.versions(resource_id, limit=1)
    return newest[0].version if newest else 0
