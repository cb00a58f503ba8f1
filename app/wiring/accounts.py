"""Accounts beside passwords: API tokens, the first run, single sign-on, and files for guests."""

from __future__ import annotations

from app.console.api_tokens import APITokens
from app.console.first_run import FirstRun
from app.console.guest_snippets import GuestAddresses, GuestSnippets, guest_snippets
from app.console.identity_provider import IdentityProvider
from app.console.operators import OperatorService
from app.console.permissions import Role
from app.console.single_sign_on import RoleMapping, SingleSignOn
from app.named.certificates import authority
from app.named.database import database_url
from app.named.identities import oidc_client
from app.settings import Settings
from app.store.api_tokens import SQLAPITokenStore
from app.store.console_sessions import SQLConsoleSessionStore
from app.store.database import Database
from app.store.operators import SQLOperatorStore
from app.store.setup_codes import SQLSetupCodeStore
from app.wiring.console import console_keys
from app.wiring.foundations import Foundations


def api_tokens(base: Foundations) -> APITokens:
    """What programs show."""
    return APITokens(
        store=SQLAPITokenStore(base.database),
        operators=SQLOperatorStore(base.database),
        audit=base.audit,
        transactions=base.database.transaction,
        clock=base.clock,
    )


def first_run(base: Foundations, accounts: OperatorService) -> FirstRun:
    """The setup of an installation without an owner."""
    return FirstRun(SQLSetupCodeStore(base.database), accounts)


def lacks_owner(settings: Settings) -> bool:
    """Whether a prepared database has no owner yet; it is opened and closed for the question."""
    database = Database.from_url(database_url(settings.database))
    try:
        return not SQLOperatorStore(database).has_owner()
    finally:
        database.close()


def single_sign_on(base: Foundations) -> SingleSignOn | None:
    """The OpenID provider of the settings, if there is one."""
    oidc = base.settings.console.oidc
    if oidc is None:
        return None
    redirect_uri = f"{base.settings.console_url}/console/sign-in/provider/callback"
    client = oidc_client(oidc, redirect_uri)
    return SingleSignOn(
        provider=IdentityProvider(client, base.clock.now),
        mapping=RoleMapping(
            oidc.role_claim, tuple((each.value, Role(each.role)) for each in oidc.roles)
        ),
        label=oidc.label,
        keys=console_keys(base),
        operators=SQLOperatorStore(base.database),
        end_sessions=SQLConsoleSessionStore(base.database).remove_all,
        audit=base.audit,
        transactions=base.database.transaction,
        clock=base.clock,
    )


def guest_files(settings: Settings) -> GuestSnippets:
    """What a guest needs to find this server."""
    url = settings.public_url
    return guest_snippets(
        GuestAddresses(
            as_url=url if "as" in settings.roles else None,
            kbs_url=url if "kbs" in settings.roles else None,
            authority=authority(settings.server),
        )
    )
