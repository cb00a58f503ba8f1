"""The database that the settings name."""

from __future__ import annotations

from app.named.faults import read_text
from app.settings import (
    DatabaseSettings,
)
from app.store.database import checked_url


def database_url(settings: DatabaseSettings) -> str:
    """The address of the database, with the password from its file.

    Raises:
        ConfigError: the address is of no supported engine, or the file cannot be read.
    """
    url = checked_url(settings.url)
    if settings.password_file is not None:
        url = url.set(password=read_text(settings.password_file, "database.password_file").strip())
    return url.render_as_string(hide_password=False)
