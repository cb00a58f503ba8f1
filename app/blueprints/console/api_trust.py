"""Issuers and certificates, for programs."""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from app.blueprints.deps import services
from app.blueprints.gate import access, actor
from app.blueprints.parsing import json_object, text_member
from app.console.certificates import CertificateLine
from app.console.inspection.reports import token_as_json
from app.console.issuer_needs import issuer_as_json, key_as_json, keys_as_json, keys_of
from app.console.issuer_requests import text_of
from app.console.permissions import Permission
from app.trust.json_types import JSONObject


def add_to(bp: Blueprint) -> None:
    """Add the routes."""
    _add_reading(bp)
    _add_adding(bp)
    _add_changes(bp)


def _add_reading(bp: Blueprint) -> None:
    @bp.get("/issuers")
    @access(Permission.ISSUER_READ)
    def issuers() -> ResponseReturnValue:
        return jsonify([issuer_as_json(each) for each in services().issuer_desk.issuers.all()])

    @bp.get("/issuers/<name>")
    @access(Permission.ISSUER_READ)
    def issuer(name: str) -> ResponseReturnValue:
        return jsonify(_issuer(name))

    @bp.post("/issuers/<name>/check")
    @access(Permission.ISSUER_READ)
    def check_token(name: str) -> ResponseReturnValue:
        found = services().issuer_desk.issuers.get(name)
        text = text_member(json_object(), "token")
        report = services().inspectors.tokens.inspect(text, issuer=found.issuer.name)
        return jsonify(token_as_json(report))

    @bp.get("/certificates")
    @access(Permission.ISSUER_READ)
    def certificates() -> ResponseReturnValue:
        return jsonify([certificate_as_json(each) for each in services().certificates()])


def _add_adding(bp: Blueprint) -> None:
    @bp.post("/issuer-discovery")
    @access(Permission.ISSUER_MANAGE)
    def discover_issuer() -> ResponseReturnValue:
        body = json_object()
        url, tls_ca = text_member(body, "url"), text_of(body, "tls_ca")
        found = services().issuer_desk.discover(url, tls_ca)
        return jsonify(
            {
                "url": found.url,
                "issuer": found.iss,
                "key_set_url": found.key_set_url,
                "keys": [key_as_json(key) for key in found.keys],
                "thumbprints": list(found.thumbprints),
                "algorithms": list(found.algorithms),
            }
        )

    @bp.post("/issuers")
    @access(Permission.ISSUER_MANAGE)
    def add_issuer() -> ResponseReturnValue:
        return jsonify(_issuer(services().issuer_desk.add(json_object(), actor()).name))


def _add_changes(bp: Blueprint) -> None:
    @bp.post("/issuers/<name>/enable")
    @access(Permission.ISSUER_MANAGE)
    def enable_issuer(name: str) -> ResponseReturnValue:
        services().issuer_desk.issuers.set_enabled(name, enabled=True, actor=actor())
        return jsonify(_issuer(name))

    @bp.post("/issuers/<name>/disable")
    @access(Permission.ISSUER_MANAGE)
    def disable_issuer(name: str) -> ResponseReturnValue:
        services().issuer_desk.issuers.set_enabled(name, enabled=False, actor=actor())
        return jsonify(_issuer(name))

    @bp.delete("/issuers/<name>")
    @access(Permission.ISSUER_MANAGE)
    def remove_issuer(name: str) -> ResponseReturnValue:
        services().issuer_desk.issuers.remove(name, actor())
        return "", 200


def certificate_as_json(each: CertificateLine) -> JSONObject:
    """A certificate with its dates in ISO 8601."""
    return {
        **asdict(each),
        "purpose": str(each.purpose),
        "not_before": each.not_before.isoformat() if each.not_before else None,
        "not_after": each.not_after.isoformat() if each.not_after else None,
    }


def _issuer(name: str) -> JSONObject:
    found = services().issuer_desk.issuers.get(name)
    revisions = services().kbs.revisions.current()
    keys = keys_of(found, services().clock.now(), revisions)
    return {**issuer_as_json(found), **keys_as_json(keys)}
