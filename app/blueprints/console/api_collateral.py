"""Collateral, for programs: what the page does, as REST."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from app.attestation.collateral.library import Fetched, Imported, Listed
from app.blueprints.deps import services
from app.blueprints.gate import access, actor
from app.blueprints.parsing import body_bytes, json_object, page_limit, text_member
from app.console.permissions import Permission
from app.trust.errors import MalformedBundleError, MalformedRequestError
from app.trust.json_types import JSONObject

_EXPIRE_NEXT = 20
_MOST_NAMES = 100


def add_to(bp: Blueprint) -> None:
    """Add the routes."""

    @bp.get("/collateral")
    @access(Permission.COLLATERAL_READ)
    def collateral() -> ResponseReturnValue:
        library = services().collateral
        after = request.args.get("after") or None
        page = library.page(after=after, limit=page_limit())
        return jsonify(
            {
                "documents": [listed_as_json(each) for each in page],
                "needed": [listed_as_json(each) for each in library.needed()],
                "expires_next": [
                    listed_as_json(each) for each in library.expires_next(_EXPIRE_NEXT)
                ],
                "counts": {state.value: count for state, count in library.counts().items()},
            }
        )

    @bp.post("/collateral/refresh")
    @access(Permission.COLLATERAL_MANAGE)
    def refresh_collateral() -> ResponseReturnValue:
        outcomes = services().collateral.refresh(_names(json_object()), actor())
        return jsonify([fetched_as_json(each) for each in outcomes])

    @bp.post("/collateral/test")
    @access(Permission.COLLATERAL_MANAGE)
    def test_collateral() -> ResponseReturnValue:
        found = services().collateral.try_fetch(text_member(json_object(), "name"))
        return jsonify(fetched_as_json(found))

    @bp.get("/collateral/bundle")
    @access(Permission.COLLATERAL_READ)
    def export_collateral() -> ResponseReturnValue:
        return Response(services().collateral.export(), mimetype="application/jose")

    @bp.post("/collateral/bundle")
    @access(Permission.COLLATERAL_MANAGE)
    def import_collateral() -> ResponseReturnValue:
        imported = services().collateral.import_bundle(bundle_text(body_bytes()), actor())
        return jsonify(imported_as_json(imported))


def bundle_text(content: bytes) -> str:
    """A bundle as text.

    Raises:
        MalformedBundleError: it is not ASCII.
    """
    try:
        return content.decode("ascii").strip()
    except UnicodeDecodeError as error:
        raise MalformedBundleError("not a compact JWS") from error


def listed_as_json(listed: Listed) -> JSONObject:
    """A line of the table; times in ISO 8601, ``null`` where there is none."""
    summary = listed.summary
    line: JSONObject = {"name": listed.name, "state": listed.state.value}
    if summary is not None:
        line |= {"source": summary.source, "size": summary.size}
        for name in ("fetched_at", "issued_at", "expires_at", "ageing_at"):
            moment = getattr(summary, name)
            line[name] = None if moment is None else moment.isoformat()
    return line


def fetched_as_json(fetched: Fetched) -> JSONObject:
    """What became of asking a vendor."""
    expires_at = fetched.expires_at
    return {
        "name": fetched.name,
        "code": fetched.code,
        "message": fetched.message,
        "expires_at": None if expires_at is None else expires_at.isoformat(),
    }


def imported_as_json(imported: Imported) -> JSONObject:
    """What became of a bundle."""
    return {
        "signer": imported.signer,
        "created_at": imported.created_at.isoformat(),
        "kept": imported.kept,
        "older": imported.older,
    }


def _names(body: JSONObject) -> Sequence[str]:
    names = body.get("names", [])
    if not isinstance(names, list) or len(names) > _MOST_NAMES:
        raise MalformedRequestError(f"names is a list of at most {_MOST_NAMES} texts")
    if not all(isinstance(each, str) for each in names):
        raise MalformedRequestError("names is a list of texts")
    return [str(each) for each in names]
