"""Vouchgate's server: the Attestation Service, the Key Broker Service and the operators' console.

The domain below this package never loads Flask; ``create_app`` imports the factory when called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from app.settings import Settings


def create_app(settings: Settings) -> Flask:
    """The WSGI application for validated settings.

    Raises:
        ConfigError: the settings cannot be served; it lists every fault.
    """
    from app.factory import build

    return build(settings)
