"""Secrets go in sealed, are told about, and are taken away; every change is written down."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from audit_chains import first_broken_link
from broker.world import OPERATOR, PATH, RECOVERY, SECRET, World
from fakes import NOON

from app.broker.secrets import ResourceID, associated_data
from app.trust.errors import (
    ConflictError,
    MalformedRequestError,
    ResourceNotFoundError,
    RevealDisabledError,
    SealingError,
    StoreUnavailableError,
    TooLargeError,
)
from app.trust.sealing import KeyEncryptionKey, Sealer

DEMO = ResourceID.of(list(PATH))
OTHER = ResourceID("default", "demo", "other")
NEW_KEY = KeyEncryptionKey(b"n" * 32)
OLD_KEY = KeyEncryptionKey(b"k" * 32)


def test_refuses_what_is_too_large(world: World) -> None:
    """The bound is exact, and nothing of it is stored."""
    world.custody.write(OTHER, bytes(1024), OPERATOR)
    with pytest.raises(TooLargeError):
        world.custody.write(DEMO, bytes(1025), OPERATOR)
    assert len(world.custody.versions(DEMO)) == 1


def test_refuses_to_delete_what_is_not_there(world: World) -> None:
    """A typing error is told, and leaves no record of a deletion."""
    audited = len(world.db.audit)
    with pytest.raises(ResourceNotFoundError):
        world.custody.delete(OTHER, OPERATOR)
    assert len(world.db.audit) == audited


def test_a_write_that_fails_leaves_the_old_version(world: World) -> None:
    """A lost database is a clear error, and no half-written secret."""
    world.db.down = True
    with pytest.raises(StoreUnavailableError):
        world.custody.write(DEMO, b"new", OPERATOR)
    world.db.down = False
    (version,) = world.custody.versions(DEMO)
    assert version.active


def test_a_secret_rests_sealed(world: World) -> None:
    """What is stored opens only under the key, at its path, in its version."""
    ((_, sealed),) = world.db.secrets
    assert SECRET not in sealed
    assert world.sealer.open(sealed, associated_data(DEMO, 1)) == SECRET
    for wrong in (associated_data(DEMO, 2), associated_data(OTHER, 1)):
        with pytest.raises(SealingError):
            world.sealer.open(sealed, wrong)


def test_versions_are_appended_and_the_newest_is_active(world: World) -> None:
    """Operators see sizes, times and names; never the secret."""
    version = world.custody.write(DEMO, b"second", OPERATOR)
    assert (version.version, version.size_bytes, version.created_at) == (2, 6, NOON)
    assert [(v.version, v.active) for v in world.custody.versions(DEMO)] == [(2, True), (1, False)]
    assert "second" not in repr(version)


def test_a_deleted_secret_is_gone_for_guests_and_can_come_back(world: World) -> None:
    """Deleting keeps history; writing goes on with the next version."""
    world.custody.delete(DEMO, OPERATOR)
    assert world.secrets.find(DEMO) is None
    assert world.custody.write(DEMO, b"again", OPERATOR).version == 2


@pytest.mark.parametrize("based_on", [0, 1, 3])
def test_a_write_that_does_not_know_the_newest_version_stores_nothing(
    world: World, based_on: int
) -> None:
    """The second of two writers is told, and nothing of the first is replaced."""
    world.custody.write(DEMO, b"theirs", OPERATOR, based_on=1)
    with pytest.raises(ConflictError, match="newest version is 2"):
        world.custody.write(DEMO, b"ours", OPERATOR, based_on=based_on)
    with pytest.raises(ConflictError):
        world.custody.restore(DEMO, 1, OPERATOR, based_on=based_on)
    assert [v.version for v in world.custody.versions(DEMO)] == [2, 1]


def test_a_new_secret_is_based_on_none(world: World) -> None:
    """Zero is what a form for a new path knows."""
    assert world.custody.write(OTHER, b"x", OPERATOR, based_on=0).version == 1


def test_restoring_makes_a_new_version_of_an_old_one(world: World) -> None:
    """Sealed anew for its own number; guests get what the old one held."""
    world.custody.write(DEMO, b"second", OPERATOR)
    version = world.custody.restore(DEMO, 1, replace(OPERATOR, name="bob"))
    assert (version.version, version.restored_from, version.created_by) == (3, 1, "bob")
    secret = world.secrets.find(DEMO)
    assert secret is not None
    assert world.sealer.open(secret.sealed, associated_data(DEMO, 3)) == SECRET
    assert world.db.audit[-1].entry.action == "secret:version:restore"


@pytest.mark.parametrize(
    ("path", "version", "error"),
    [(DEMO, 1, ConflictError), (DEMO, 2, ResourceNotFoundError), (OTHER, 1, ResourceNotFoundError)],
    ids=["the active one", "no such version", "no such secret"],
)
def test_refuses_to_restore_what_is_not_there_or_is_active(
    world: World, path: ResourceID, version: int, error: type[Exception]
) -> None:
    """And leaves neither a version nor a record."""
    audited = len(world.db.audit)
    with pytest.raises(error):
        world.custody.restore(path, version, OPERATOR)
    assert len(world.db.audit) == audited
    assert len(world.db.secrets) == 1


def test_a_deleted_secret_comes_back_until_its_time_is_over(world: World) -> None:
    """To the microsecond: at the end of the window it is gone, erased or not."""
    deleted = world.custody.delete(DEMO, OPERATOR)
    until = world.custody.recoverable_until(deleted)
    assert until == world.clock.now() + RECOVERY
    world.clock.at = until - timedelta(microseconds=1)
    assert world.custody.restore(DEMO, 1, OPERATOR).version == 2
    assert world.custody.find_deleted(DEMO) is None
    world.custody.delete(DEMO, OPERATOR)
    world.clock.forward(days=30)
    with pytest.raises(ResourceNotFoundError):
        world.custody.restore(DEMO, 2, OPERATOR)


def test_what_is_written_over_a_secret_whose_time_is_over_brings_nothing_back(
    world: World,
) -> None:
    """Its old versions are erased first; numbers go on."""
    world.custody.delete(DEMO, OPERATOR)
    world.clock.forward(days=30)
    assert world.custody.write(DEMO, b"new", OPERATOR, based_on=0).version == 2
    assert [v.version for v in world.custody.versions(DEMO)] == [2]


def test_housekeeping_erases_what_is_due_and_nothing_else(world: World) -> None:
    """Once, written down, and never a secret that came back."""
    world.custody.write(OTHER, b"x", OPERATOR)
    world.custody.delete(DEMO, OPERATOR)
    world.clock.forward(days=29)
    world.custody.delete(OTHER, OPERATOR)
    assert world.custody.destroy_due() == 0
    world.clock.forward(days=1)
    assert world.custody.destroy_due() == 1
    assert world.custody.destroy_due() == 0
    assert world.custody.versions(DEMO) == []
    assert [v.resource_id for v, _ in world.db.secrets] == [OTHER]
    entry = world.db.audit[-1].entry
    assert (entry.action, entry.subject) == ("secret:secret:destroy", str(DEMO))
    assert (entry.actor.name, entry.actor.role) == ("housekeeping", "system")


def test_only_a_deleted_secret_is_destroyed(world: World) -> None:
    """Two steps, so that no single slip erases what guests use."""
    with pytest.raises(ConflictError):
        world.custody.destroy(DEMO, OPERATOR)
    with pytest.raises(ResourceNotFoundError):
        world.custody.destroy(OTHER, OPERATOR)
    world.custody.delete(DEMO, OPERATOR)
    world.custody.destroy(DEMO, OPERATOR)
    assert world.db.secrets == []
    assert world.db.audit[-1].entry.actor == OPERATOR
    with pytest.raises(ResourceNotFoundError):
        world.custody.destroy(DEMO, OPERATOR)
    assert world.custody.write(DEMO, b"again", OPERATOR).version == 2


REASON = "compare with the vault"


def test_reading_a_value_is_written_down_first(world: World) -> None:
    """Who, why, which version of which path; never the value, nor a digest of it."""
    world.custody.write(DEMO, b"second", OPERATOR)
    assert world.custody.reveal(DEMO, 1, f" {REASON}\r\n", OPERATOR) == SECRET
    entry = world.db.audit[-1].entry
    assert (entry.action, entry.subject) == ("secret:version:reveal", f"{DEMO} version 1")
    assert (entry.note, entry.actor, entry.before, entry.after) == (REASON, OPERATOR, None, None)


@pytest.mark.parametrize(
    "reason", ["", "       x       ", "short", "x" * 501, "a reason\x00", "\u202e" * 9]
)
def test_without_a_reason_nothing_is_read(world: World, reason: str) -> None:
    """And nothing is written down: nothing happened."""
    audited = len(world.db.audit)
    with pytest.raises(MalformedRequestError):
        world.custody.reveal(DEMO, 1, reason, OPERATOR)
    assert len(world.db.audit) == audited


def test_when_it_cannot_be_written_down_nothing_is_read(world: World) -> None:
    """A lost database is no way around the record."""
    world.db.down = True
    with pytest.raises(StoreUnavailableError):
        world.custody.reveal(DEMO, 1, REASON, OPERATOR)


def test_reading_can_be_switched_off(world: World) -> None:
    """Whatever the reason and whoever asks."""
    closed = replace(world.custody, may_reveal=False)
    with pytest.raises(RevealDisabledError):
        closed.reveal(DEMO, 1, REASON, OPERATOR)
    assert world.db.audit[-1].entry.action != "secret:version:reveal"


def test_what_is_over_is_not_read(world: World) -> None:
    """Deleted secrets can be read as long as they can be brought back."""
    with pytest.raises(ResourceNotFoundError):
        world.custody.reveal(DEMO, 2, REASON, OPERATOR)
    world.custody.delete(DEMO, OPERATOR)
    assert world.custody.reveal(DEMO, 1, REASON, OPERATOR) == SECRET
    world.clock.forward(days=30)
    with pytest.raises(ResourceNotFoundError):
        world.custody.reveal(DEMO, 1, REASON, OPERATOR)


def test_lists_secrets_by_page(world: World) -> None:
    """Keyset paging, by id."""
    world.custody.write(OTHER, b"", OPERATOR)
    first = world.custody.page(after=None, limit=1)
    assert [version.resource_id for version in first] == [OTHER]
    second = world.custody.page(after=OTHER, limit=5)
    assert [version.resource_id for version in second] == [DEMO]


def test_every_change_is_audited_without_a_digest_of_the_secret(world: World) -> None:
    """A digest of a short secret could be guessed, so digests are of what rests."""
    world.custody.write(DEMO, b"1234", OPERATOR)
    world.custody.delete(DEMO, OPERATOR)
    entries = [record.entry for record in world.db.audit if record.entry.subject == str(DEMO)]
    assert [entry.action for entry in entries] == [
        "secret:version:write",
        "secret:version:write",
        "secret:secret:delete",
    ]
    assert entries[1].before == entries[0].after
    assert (entries[2].before, entries[2].after) == (entries[1].after, None)
    world.custody.write(OTHER, b"1234", OPERATOR)
    assert world.db.audit[-1].entry.after != entries[1].after
    assert first_broken_link(world.db.audit) is None


def test_rewrapping_changes_keys_and_not_secrets(world: World) -> None:
    """Afterwards the old key-encryption key can be thrown away."""
    for number in range(450):
        world.custody.write(ResourceID("r", "t", str(number)), b"x", OPERATOR)
    commits = world.db.commits
    rotating = replace(world.custody, sealer=Sealer([NEW_KEY, OLD_KEY]))
    assert rotating.rewrap(OPERATOR) == 451
    assert world.db.commits - commits == 4  # three batches and the audit record
    alone = Sealer([NEW_KEY])
    secret = world.secrets.find(DEMO)
    assert secret is not None
    assert alone.open(secret.sealed, associated_data(DEMO, 1)) == SECRET
    assert rotating.rewrap(OPERATOR) == 0
    assert world.db.audit[-1].entry.subject == NEW_KEY.key_id.hex()


def test_rewrapping_without_the_old_key_changes_nothing(world: World) -> None:
    """A secret under an unknown key is a fault, not a loss."""
    before = list(world.db.secrets)
    with pytest.raises(SealingError):
        replace(world.custody, sealer=Sealer([NEW_KEY])).rewrap(OPERATOR)
    assert world.db.secrets == before
