"""Collateral from a folder: for sites without a network, and for mirrors kept by hand.

A document lies at its name: ``<folder>/amd/milan/cert_chain``. Response headers that belong to it
lie beside it, as a JSON object of strings: ``<folder>/intel/…/tcb.headers.json``. Layouts that
vendors' own tools or Trustee write are read as the catalogue says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from app.attestation.collateral.catalogue import VendorCatalogue, is_collateral_name
from app.attestation.collateral.ports import Collateral
from app.trust.errors import CollateralUnavailableError, ConfigError
from guest.wire.errors import WireError
from guest.wire.strict_json import parse_json_object

MAX_FILE_BYTES = 2**20


class OfflineSource:
    """Documents in a folder; it is only read.

    Args:
        folder: where they lie; it must exist.
        catalogues: tell other places within the folder.

    Raises:
        ConfigError: there is no such folder.
    """

    def __init__(self, folder: Path, catalogues: Sequence[VendorCatalogue]) -> None:
        if not folder.is_dir():
            raise ConfigError([f"collateral.sources: {folder} is not a folder"])
        self.name = f"offline:{folder}"
        self._folder = folder
        self._catalogues = tuple(catalogues)

    def find(self, name: str) -> Collateral | None:
        """The document, dated by its file; ``None`` when no file holds it.

        Raises:
            CollateralUnavailableError: a file is there and cannot be read, or is too large.
        """
        for path in self._paths(name):
            body = _read(path)
            if body is not None:
                fetched_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                return Collateral(name, body, _headers(path), fetched_at, self.name)
        return None

    def _paths(self, name: str) -> Iterator[Path]:
        if not is_collateral_name(name):
            return
        yield self._folder / name
        for catalogue in self._catalogues:
            if name.startswith(catalogue.prefix):
                yield from (self._folder / path for path in catalogue.offline_paths(name))


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            body = file.read(MAX_FILE_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except OSError as error:
        raise CollateralUnavailableError("an offline document cannot be read") from error
    if len(body) > MAX_FILE_BYTES:
        raise CollateralUnavailableError("an offline document is too large")
    return body


def _headers(path: Path) -> dict[str, str]:
    text = _read(path.with_name(path.name + ".headers.json"))
    if text is None:
        return {}
    try:
        headers = parse_json_object(text)
    except WireError as error:
        raise CollateralUnavailableError("headers of an offline document do not parse") from error
    if not all(isinstance(value, str) for value in headers.values()):
        raise CollateralUnavailableError("headers of an offline document are not text")
    return {key.lower(): value for key, value in headers.items()}
