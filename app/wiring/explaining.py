"""What explanations know beside the records: today's policies, values and secrets."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from app.broker.custody import Custody
from app.broker.secrets import ResourceID
from app.console.candidates.finding import Facts
from app.console.explanations import Explanations
from app.console.worlds import Part, Values, World
from app.store.reference_values import SQLReferenceValueStore
from app.trust.decisions import DecisionRecord
from app.trust.errors import MalformedResourceError, ResourceNotFoundError
from app.trust.json_types import JSONValue
from app.trust.policies import PolicyKind, PolicyVersion
from app.trust.policy_engine import ReferenceValueLookup
from app.trust.regorus_engine import RegorusEngine
from app.wiring.broker import custody, default_resource_policy, resource_policies
from app.wiring.foundations import Foundations


def explanations(base: Foundations) -> Explanations:
    """Explains decisions, with an engine of its own."""
    values = SQLReferenceValueStore(base.database)
    secrets = custody(base)

    def values_at(at: datetime) -> ReferenceValueLookup:
        def value(name: str) -> JSONValue:
            found = values.find_at(name, at)
            return found.value if found is not None and found.expires_at > at else None

        return value

    def facts(record: DecisionRecord) -> Facts:
        def expired(name: str) -> JSONValue:
            found = values.find_at(name, record.at)
            return found.value if found is not None and found.expires_at <= record.at else None

        return Facts(
            expired=expired,
            versions=base.policies.versions,
            deleted_version=lambda path: _deleted_version(secrets, path),
            default_resource_policy=default_resource_policy(),
        )

    def today(world: World) -> World:
        return _today(world, base, values_at(base.clock.now()), secrets)

    return Explanations(base.decisions, base.policies, RegorusEngine(), values_at, facts, today)


def _today(
    world: World, base: Foundations, values_now: ReferenceValueLookup, secrets: Custody
) -> World:
    """The same guest and the same request, under what is set now."""
    active = base.policies.active(PolicyKind.ATTESTATION)
    parts = tuple(_under(part, active.get(part.policy_id)) for part in world.parts)
    release = world.release
    if release is not None:
        segments = [str(each) for each in release.data.get("resource-path", ())]
        whole = (str(release.data.get("plugin", "")), *segments)
        policies = resource_policies(base).current().applicable(whole)
        path = "/".join(segments)
        failure = release.failure
        if failure in (None, ResourceNotFoundError.code):
            failure = None if _is_there(secrets, path) else ResourceNotFoundError.code
        release = replace(release, policies=policies, failure=failure)
    return World(parts, Values({}, values_now), release)


def _under(part: Part, version: PolicyVersion | None) -> Part:
    return part if version is None else replace(part, text=version.as_text())


def _is_there(secrets: Custody, path: str) -> bool:
    resource_id = _parsed(path)
    return resource_id is not None and any(
        version.active for version in secrets.versions(resource_id)
    )


def _deleted_version(secrets: Custody, path: str) -> int | None:
    resource_id = _parsed(path)
    deleted = secrets.find_deleted(resource_id) if resource_id is not None else None
    return deleted.version if deleted is not None else None


def _parsed(path: str) -> ResourceID | None:
    """The path of a secret; ``None`` where another plugin's path is none."""
    try:
        return ResourceID.of(path.split("/"))
    except MalformedResourceError:
        return None
