"""A folder with settings, keys and a database, and an operator at its terminal."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import CliRunner, Result
from servers import AdminKey, settings_table
from toml_files import write_toml

from app.cli import main
from app.config import parse_settings
from app.wiring import prepare


@dataclass(frozen=True)
class Site:
    """A folder with settings, keys and a database, and an operator at its terminal."""

    folder: Path

    @property
    def table(self) -> dict[str, Any]:
        """The settings."""
        return settings_table(self.folder)

    def run(self, *arguments: str, given: bytes = b"", **parts: Any) -> Result:
        """Run a command with the settings, some parts of them replaced."""
        config = write_toml(self.folder / "vouchgate.toml", self.table | parts)
        return CliRunner().invoke(main, [*arguments, "--config", str(config)], input=given)

    def does(self, *arguments: str, given: bytes = b"", **parts: Any) -> str:
        """What a command prints that must succeed."""
        result = self.run(*arguments, given=given, **parts)
        assert result.exit_code == 0, result.output
        return result.stdout

    def refuses(self, *arguments: str, given: bytes = b"", **parts: Any) -> str:
        """What a command says that must be refused; nothing goes to the standard output."""
        result = self.run(*arguments, given=given, **parts)
        assert result.exit_code == 2, (result.output, result.exception)
        assert isinstance(result.exception, SystemExit)
        assert result.stdout == ""
        return result.stderr

    def file(self, name: str, content: str | bytes) -> str:
        """A file of this content; its path."""
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a prepared database, to be copied."""
    folder = tmp_path_factory.mktemp("prepared")
    AdminKey.make(folder)
    prepare(parse_settings(settings_table(folder), {}))
    return folder


@pytest.fixture
def site(prepared: Path, tmp_path: Path) -> Iterator[Site]:
    """A site of the test's own."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    yield Site(tmp_path)
    # The commands logged to a terminal that is gone.
    structlog.reset_defaults()
