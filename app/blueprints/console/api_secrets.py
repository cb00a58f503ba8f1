"""The operators' REST API of secrets: their tree, their versions, and what is done with them.

No route gives a value out: a program's token cannot show that a person asks for it.
"""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from app.blueprints.console.queries import decision_summary
from app.blueprints.deps import services
from app.blueprints.gate import access, actor
from app.blueprints.parsing import body_bytes, json_object, page_limit, whole_number
from app.broker.secrets import DeletedSecret, PathPrefix, ResourceID, SecretVersion
from app.console.attested_guests import AttestedGuest, guest_of
from app.console.permissions import Permission
from app.console.recipes import made
from app.console.secret_reach import Prospect
from app.trust.decisions import DecisionKind, DecisionQuery, Outcome
from app.trust.errors import DecisionNotFoundError, MalformedRequestError, ResourceNotFoundError
from app.trust.json_types import JSONObject

_ONE = "/secrets/<repository>/<kind>/<tag>"


def add_to(bp: Blueprint) -> None:
    """Add the routes."""
    _add_lists(bp)
    _add_writing(bp)
    _add_deleting(bp)
    _add_who(bp)


def after_path() -> ResourceID | None:
    """Where a page of secrets begins, from the parameter ``after``.

    Raises:
        MalformedResourceError: it is no path.
    """
    text = request.args.get("after")
    return ResourceID.of(text.split("/")) if text else None


def releases_of(resource_id: ResourceID) -> DecisionQuery:
    """The page of decisions by which a secret was given out, from the parameters of a list.

    Raises:
        MalformedRequestError: the limit is no such number.
    """
    return DecisionQuery(
        kind=DecisionKind.RELEASE,
        outcome=Outcome.ALLOWED,
        subject=f"resource/{resource_id}",
        before=request.args.get("before") or None,
        limit=page_limit(),
    )


def _add_lists(bp: Blueprint) -> None:
    @bp.get("/secrets")
    @access(Permission.SECRET_READ)
    def secrets() -> ResponseReturnValue:
        within = PathPrefix.parse(request.args.get("prefix", ""))
        page = services().custody.page(after=after_path(), limit=page_limit(), within=within)
        return jsonify([_version(version) for version in page])

    @bp.get("/secrets/tree")
    @access(Permission.SECRET_READ)
    def secret_tree() -> ResponseReturnValue:
        repository, after = request.args.get("repository"), request.args.get("after")
        within = PathPrefix.parse(f"{repository}/" if repository else "").segments
        return jsonify(services().custody.folders(within, after=after, limit=page_limit()))

    @bp.get("/secrets/deleted")
    @access(Permission.SECRET_READ)
    def deleted_secrets() -> ResponseReturnValue:
        page = services().custody.deleted(after=after_path(), limit=page_limit())
        return jsonify([_deleted(each) for each in page])

    @bp.get(_ONE)
    @access(Permission.SECRET_READ)
    def secret(repository: str, kind: str, tag: str) -> ResponseReturnValue:
        versions = services().custody.versions(
            ResourceID.of([repository, kind, tag]), below=_below(), limit=page_limit(100)
        )
        if not versions and _below() is None:
            raise ResourceNotFoundError("there is no such secret")
        return jsonify([_version(version) for version in versions])


def _add_writing(bp: Blueprint) -> None:
    @bp.post(f"{_ONE}/versions")
    @access(Permission.SECRET_WRITE)
    def write_secret(repository: str, kind: str, tag: str) -> ResponseReturnValue:
        resource_id = ResourceID.of([repository, kind, tag])
        recipe, body = request.args.get("recipe"), body_bytes()
        if recipe is not None and body:
            raise MalformedRequestError("a secret is sent, or made by a recipe, not both")
        based_on = whole_number(request.args, "based_on") if "based_on" in request.args else None
        plaintext = body if recipe is None else made(recipe)
        version = services().custody.write(resource_id, plaintext, actor(), based_on=based_on)
        return jsonify(_version(version))

    @bp.post(f"{_ONE}/restore")
    @access(Permission.SECRET_WRITE)
    def restore_secret(repository: str, kind: str, tag: str) -> ResponseReturnValue:
        resource_id = ResourceID.of([repository, kind, tag])
        body = json_object()
        version = services().custody.restore(
            resource_id,
            _number(body, "version"),
            actor(),
            based_on=_number(body, "based_on") if "based_on" in body else None,
        )
        return jsonify(_version(version))


def _add_deleting(bp: Blueprint) -> None:
    @bp.delete(_ONE)
    @access(Permission.SECRET_DELETE)
    def delete_secret(repository: str, kind: str, tag: str) -> ResponseReturnValue:
        resource_id = ResourceID.of([repository, kind, tag])
        return jsonify(_deleted(services().custody.delete(resource_id, actor())))

    @bp.post(f"{_ONE}/destroy")
    @access(Permission.SECRET_DESTROY)
    def destroy_secret(repository: str, kind: str, tag: str) -> ResponseReturnValue:
        resource_id = ResourceID.of([repository, kind, tag])
        services().custody.destroy(resource_id, actor())
        return jsonify({"resource_id": str(resource_id), "destroyed": True})


def _add_who(bp: Blueprint) -> None:
    @bp.get(f"{_ONE}/who-got")
    @access(Permission.SECRET_READ)
    def who_got_secret(repository: str, kind: str, tag: str) -> ResponseReturnValue:
        query = releases_of(ResourceID.of([repository, kind, tag]))
        return jsonify([decision_summary(each) for each in services().decisions.page(query)])

    @bp.get(f"{_ONE}/who-may")
    @access(Permission.SECRET_READ)
    def who_may_get_secret(repository: str, kind: str, tag: str) -> ResponseReturnValue:
        prospects = services().secret_reach.who_may(ResourceID.of([repository, kind, tag]))
        return jsonify([_who(each) for each in prospects])

    @bp.get("/decisions/<decision_id>/secrets")
    @access(Permission.SECRET_READ)
    def what_guest_may_get(decision_id: str) -> ResponseReturnValue:
        page = services().custody.page(after=after_path(), limit=page_limit())
        paths = [each.resource_id for each in page]
        prospects = services().secret_reach.what_may(attested_guest(decision_id), paths)
        return jsonify(
            [
                {
                    "resource_id": str(each.resource_id),
                    "allowed": each.allowed,
                    "reason": each.reason,
                }
                for each in prospects
            ]
        )


def attested_guest(decision_id: str) -> AttestedGuest:
    """The guest that a decision is about.

    Raises:
        DecisionNotFoundError: there is no such decision, or nothing of a guest was verified.
    """
    record = services().decisions.find(decision_id)
    guest = guest_of(record) if record else None
    if guest is None:
        raise DecisionNotFoundError("no decision of this id is about a guest that was verified")
    return guest


def _who(prospect: Prospect) -> JSONObject:
    guest = asdict(prospect.guest)
    del guest["claims"]
    guest["at"] = prospect.guest.at.isoformat()
    return {**guest, "allowed": prospect.allowed, "reason": prospect.reason}


def _below() -> int | None:
    return whole_number(request.args, "before", 0) or None


def _number(body: JSONObject, name: str) -> int:
    value = body.get(name)
    if type(value) is not int or not 0 <= value < 2**31:
        raise MalformedRequestError(f"the member {name} is the number of a version")
    return value


def _version(version: SecretVersion) -> JSONObject:
    return {
        **asdict(version),
        "resource_id": str(version.resource_id),
        "created_at": version.created_at.isoformat(),
    }


def _deleted(deleted: DeletedSecret) -> JSONObject:
    return {
        **asdict(deleted),
        "resource_id": str(deleted.resource_id),
        "deleted_at": deleted.deleted_at.isoformat(),
        "recoverable_until": services().custody.recoverable_until(deleted).isoformat(),
    }
