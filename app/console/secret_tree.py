"""The tree of secrets, as far as it is open: repositories, and the types of one of them.

Each level is read by itself and by page, so that a tree of any size costs what is shown of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.broker.custody import Custody
from app.broker.secrets import PathPrefix

_LEVEL = 50


@dataclass(frozen=True, slots=True)
class Level:
    """One level of the tree.

    Attributes:
        names: in order.
        next_after: where the rest of the level begins; ``None`` when there is none.
    """

    names: tuple[str, ...]
    next_after: str | None


@dataclass(frozen=True, slots=True)
class OpenTree:
    """What is shown of the tree.

    Attributes:
        repository: that is open, if any; the same of ``type``.
        types: of the open repository.
    """

    repositories: Level
    repository: str | None
    types: Level
    type: str | None


def opened(
    custody: Custody, within: PathPrefix, *, after_repository: str | None, after_type: str | None
) -> OpenTree:
    """The tree, open where a prefix leads.

    Args:
        custody: whose secrets.
        within: what is looked at.
        after_repository: where the repositories that are shown begin.
        after_type: where the types that are shown begin.
    """
    repository, kind = (*within.segments, None, None)[:2]
    types = Level((), None)
    if repository is not None:
        types = _level(custody, (repository,), after_type)
    return OpenTree(_level(custody, (), after_repository), repository, types, kind)


def _level(custody: Custody, within: tuple[str, ...], after: str | None) -> Level:
    # One more than is shown tells whether there is more.
    names = custody.folders(within, after=after, limit=_LEVEL + 1)
    shown = tuple(names[:_LEVEL])
    return Level(shown, shown[-1] if len(names) > _LEVEL else None)
