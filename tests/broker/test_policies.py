"""The resource policy is checked before it is set, and every version of it is kept."""

from __future__ import annotations

import pytest
from broker.world import ALLOW_AFFIRMING, OPERATOR, World
from fakes import NOON

from app.broker.scopes import GLOBAL_POLICY_ID
from app.trust.errors import (
    ConflictError,
    MalformedPolicyError,
    PolicyNotFoundError,
    StoreUnavailableError,
)
from app.trust.policy_engine import policy_digest

DENY = "package policy\ndefault allow := false\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "package policy\nallow {",
        "package other\ndefault allow := true",
        "package policy\nx := 1",
    ],
    ids=["empty", "no rego", "other package", "no rule"],
)
def test_refuses_a_policy_that_cannot_decide(world: World, text: str) -> None:
    """What would fail at the next request is refused when it is set, and the old one stays."""
    with pytest.raises(MalformedPolicyError):
        world.policies.set(text, OPERATOR)
    assert world.policies.get().text == ALLOW_AFFIRMING


def test_refuses_with_line_and_column(world: World) -> None:
    """An operator is shown where the fault is."""
    with pytest.raises(MalformedPolicyError) as caught:
        world.policies.set("package policy\n\nallow := }", OPERATOR)
    assert caught.value.line == 3
    assert caught.value.column is not None


def test_a_policy_that_could_not_be_written_is_not_set(world: World) -> None:
    """Neither the policy nor its audit record exists without the other."""
    audited = len(world.db.audit)
    world.db.down = True
    with pytest.raises(StoreUnavailableError):
        world.policies.set(DENY, OPERATOR)
    world.db.down = False
    assert world.policies.get().text == ALLOW_AFFIRMING
    assert len(world.db.audit) == audited


def test_setting_appends_a_version_and_writes_it_down(world: World) -> None:
    """History over update: the audit record names both digests."""
    version = world.policies.set(DENY, OPERATOR)
    assert (version.version, version.created_at, version.created_by) == (2, NOON, "ada")
    assert [each.version for each in world.policies.versions()] == [2, 1]
    entry = world.db.audit[-1].entry
    assert (entry.action, entry.subject) == ("policy:resource:set", GLOBAL_POLICY_ID)
    assert (entry.before, entry.after) == (policy_digest(ALLOW_AFFIRMING), policy_digest(DENY))


def test_the_default_is_installed_once(world: World) -> None:
    """A restart does not bring the default back over an operator's policy."""
    assert not world.policies.install_default(DENY, OPERATOR)
    assert world.policies.get().text == ALLOW_AFFIRMING
    empty = World()
    assert empty.policies.install_default(DENY, OPERATOR)
    assert empty.policies.get().text == DENY


def test_lists_ids_as_trustee_does(world: World) -> None:
    """wire.md 1.2: the ids, not the text."""
    assert world.policies.ids() == [GLOBAL_POLICY_ID]
    assert World().policies.ids() == []
    with pytest.raises(PolicyNotFoundError):
        World().policies.get()


def test_an_edit_of_an_old_version_replaces_nothing(world: World) -> None:
    """Who was slower is told, and neither a version nor an audit record is left of it."""
    world.policies.set(DENY, OPERATOR, based_on=1)
    audited = len(world.db.audit)
    with pytest.raises(ConflictError):
        world.policies.set(ALLOW_AFFIRMING, OPERATOR, based_on=1)
    assert world.policies.get().text == DENY
    assert len(world.db.audit) == audited
