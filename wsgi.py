"""The WSGI entry point: gunicorn imports ``wsgi:app`` with ``VOUCHGATE_CONFIG`` set."""

from __future__ import annotations

from app import create_app
from app.config import load_settings

app = create_app(load_settings())
