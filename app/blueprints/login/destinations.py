"""Where to go on to after signing in: a path of this console and nothing else."""

from __future__ import annotations

from flask import url_for


def console_path(wanted: str) -> str:
    """The path that was asked for, or the first page.

    An open redirect would lend our name to any page.
    """
    return wanted if wanted.startswith("/console/") else url_for("console.overview")
