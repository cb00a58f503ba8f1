"""Reports as JSON, the same for REST and for the command line."""

from __future__ import annotations

from collections.abc import Iterable

from app.attestation.inspection import InspectedEvidence
from app.console.inspection.claims import ClaimLine, evidence_lines
from app.console.inspection.init_data import KATA_ANNOTATION, InitDataReport
from app.console.inspection.resource_uris import URIReport
from app.console.inspection.tokens import Appraised, TokenReport
from app.trust.json_types import JSONObject


def token_as_json(report: TokenReport) -> JSONObject:
    """What a token says, and whether to believe it."""
    key = report.tee_key
    return {
        "verified": report.is_verified,
        "code": report.code or None,
        "why": report.why or None,
        "issuer": report.issuer,
        "checks": [
            {"name": each.name, "state": each.state, "why": each.why or None}
            for each in report.checks
        ],
        "times": [
            {"name": each.name, "at": each.at.isoformat(), "seconds_from_now": each.seconds}
            for each in report.times
        ],
        "tee_key": None
        if key is None
        else {"path": key.path, **key.members, "fault": key.fault or None},
        "submodules": [_submodule_as_json(each) for each in report.submodules],
        "unverified_header": report.unverified_header,
        "unverified_claims": report.unverified_claims,
    }


def evidence_as_json(reports: Iterable[InspectedEvidence]) -> JSONObject:
    """What looking at evidence found, piece by piece."""
    return {
        "freshness": "not checked",
        "evidence": [
            {
                "tee": each.tee,
                "genuine": each.is_genuine,
                "insecure": each.insecure,
                "code": each.code or None,
                "why": each.why or None,
                "binding": each.binding.value,
                "init_data": each.init_data.value,
                "environments": [
                    {
                        "class": environment.tee_class,
                        "annotated_evidence": environment.annotated,
                        "claims": _claims_as_json(
                            evidence_lines(each.tee, environment.annotated, was_compared=False)
                        ),
                    }
                    for environment in each.environments
                ],
            }
            for each in reports
        ],
    }


def init_data_as_json(report: InitDataReport) -> JSONObject:
    """A document and everything that is made of it."""
    document = report.document
    return {
        "toml": document.text,
        "version": document.version,
        "algorithm": document.algorithm,
        "digest": document.digest.hex(),
        "digests": report.digests,
        "files": document.data,
        "launch_fields": [
            {
                "tees": each.tees,
                "field": each.field,
                "value": each.value or None,
                "note": str(each.note),
            }
            for each in report.fields
        ],
        "annotation": {"name": KATA_ANNOTATION, "value": report.annotation},
        "remarks": [str(each) for each in report.remarks],
    }


def uri_as_json(report: URIReport) -> JSONObject:
    """What a URI names."""
    return {
        "uri": str(report.uri),
        "plugin": report.uri.plugin,
        "segments": list(report.uri.segments),
        "query": report.uri.query,
        "host": report.uri.host,
        "request": report.request,
        "code": report.code or None,
        "why": report.why or None,
        "meant": report.meant or None,
        "exists": report.exists,
        "policies": [each.as_record() for each in report.policies],
    }


def _submodule_as_json(each: Appraised) -> JSONObject:
    return {
        "name": each.name,
        "status": each.status,
        "policy_id": each.policy_id,
        "tee": each.tee,
        "vector": [
            {"name": claim.name, "value": claim.value, "tier": claim.tier} for claim in each.vector
        ],
        "claims": _claims_as_json(each.claims),
    }


def _claims_as_json(lines: Iterable[ClaimLine]) -> list[JSONObject]:
    return [
        {
            "path": line.path,
            "value": line.value,
            "meaning": line.claim.meaning if line.claim else None,
            "judged": line.claim.direction.value if line.claim else None,
        }
        for line in lines
    ]
