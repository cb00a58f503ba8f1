"""Key management services for tests: real ones where there are any, with keys and credentials."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from kms_rigs import aliyun, aws, azure, gcp, kmip, pkcs11, vault
from kms_rigs.rig import Rig


class _Starter(Protocol):
    def __call__(self, folder: Path) -> AbstractContextManager[Rig]: ...


_STARTERS: dict[str, _Starter] = {
    "aliyun": aliyun.running,
    "aws": aws.running,
    "azure": azure.running,
    "gcp": gcp.running,
    "kmip": kmip.running,
    "pkcs11": pkcs11.running,
    "vault": vault.running,
}

PROVIDERS = tuple(_STARTERS)


@contextmanager
def running(provider: str, folder: Path) -> Iterator[Rig]:
    """A service with keys, until the block is left."""
    with _STARTERS[provider](folder) as rig:
        yield rig


__all__ = ["PROVIDERS", "Rig", "running"]
