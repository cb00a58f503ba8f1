"""What operators may do: permissions, and the roles that bundle them.

Each view names the permission it needs; a role is only a name for a set of them. The same table
guards the pages and the REST API.
"""

from __future__ import annotations

from enum import StrEnum


class Permission(StrEnum):
    """One thing that can be allowed, ``area:resource:action``, kept in alphabetical order."""

    API_TOKEN_MAKE = "operators:api-token:make"  # noqa: S105  (the name of a permission)
    AUDIT_READ = "audit:log:read"
    COLLATERAL_MANAGE = "collateral:document:manage"
    COLLATERAL_READ = "collateral:document:read"
    COMPONENT_READ = "console:components:read"
    DECISION_READ = "decisions:record:read"
    DECISION_REPLAY = "decisions:record:replay"
    INSPECTOR_USE = "console:inspector:use"
    ISSUER_MANAGE = "issuers:issuer:manage"
    ISSUER_READ = "issuers:issuer:read"
    KEY_READ = "keys:signing:read"
    KEY_ROTATE = "keys:signing:rotate"
    METRICS_READ = "ops:metrics:read"
    OPERATOR_MANAGE = "operators:account:manage"
    OVERVIEW_READ = "console:overview:read"
    OWN_ACCOUNT_MANAGE = "operators:own-account:manage"
    POLICY_READ = "policies:policy:read"
    POLICY_WRITE = "policies:policy:write"
    PROPOSAL_APPROVE = "proposals:proposal:approve"
    PROPOSAL_READ = "proposals:proposal:read"
    PROPOSAL_WRITE = "proposals:proposal:write"
    REFERENCE_VALUE_READ = "reference-values:value:read"
    REFERENCE_VALUE_WRITE = "reference-values:value:write"
    SECRET_DELETE = "secrets:secret:delete"  # noqa: S105  (the name of a permission)
    SECRET_DESTROY = "secrets:secret:destroy"  # noqa: S105
    SECRET_READ = "secrets:metadata:read"  # noqa: S105
    SECRET_REVEAL = "secrets:secret:reveal"  # noqa: S105
    SECRET_WRITE = "secrets:secret:write"  # noqa: S105
    SETTINGS_READ = "ops:settings:read"


class Role(StrEnum):
    """What an operator is."""

    VIEWER = "viewer"
    AUDITOR = "auditor"
    POLICY_AUTHOR = "policy-author"
    SECRET_CUSTODIAN = "secret-custodian"  # noqa: S105
    OPERATOR = "operator"
    OWNER = "owner"


_VIEWER = frozenset(
    {
        Permission.COLLATERAL_READ,
        Permission.API_TOKEN_MAKE,
        Permission.DECISION_READ,
        Permission.INSPECTOR_USE,
        Permission.OVERVIEW_READ,
        Permission.OWN_ACCOUNT_MANAGE,
        Permission.POLICY_READ,
        Permission.PROPOSAL_READ,
        Permission.REFERENCE_VALUE_READ,
    }
)

PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: _VIEWER,
    Role.AUDITOR: _VIEWER
    | {
        Permission.AUDIT_READ,
        Permission.DECISION_REPLAY,
        Permission.ISSUER_READ,
        Permission.KEY_READ,
        Permission.SECRET_READ,
        Permission.SETTINGS_READ,
    },
    Role.POLICY_AUTHOR: _VIEWER
    | {
        Permission.DECISION_REPLAY,
        Permission.POLICY_WRITE,
        Permission.PROPOSAL_APPROVE,
        Permission.PROPOSAL_WRITE,
        Permission.REFERENCE_VALUE_WRITE,
    },
    Role.SECRET_CUSTODIAN: _VIEWER
    | {Permission.SECRET_DELETE, Permission.SECRET_READ, Permission.SECRET_WRITE},
    Role.OPERATOR: _VIEWER
    | {
        Permission.AUDIT_READ,
        Permission.COLLATERAL_MANAGE,
        Permission.DECISION_REPLAY,
        Permission.ISSUER_READ,
        Permission.KEY_READ,
        Permission.KEY_ROTATE,
        Permission.METRICS_READ,
        Permission.PROPOSAL_WRITE,
        Permission.SECRET_READ,
        Permission.SETTINGS_READ,
    },
    Role.OWNER: frozenset(Permission),
}


def permissions_of(role: str) -> frozenset[Permission]:
    """What a role may; nothing for a name that is no role."""
    try:
        return PERMISSIONS[Role(role)]
    except ValueError:
        return frozenset()
