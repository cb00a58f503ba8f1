"""Where the tests find what is not theirs to keep."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def _vectors() -> Path:
    configured = os.environ.get("VOUCHGATE_VECTORS")
    folder = Path(configured) if configured else ROOT.parent / "shared" / "vectors"
    if not folder.is_dir():
        message = (
            f"the evidence vectors are missing: {folder} is no folder; put them beside the "
            "checkout "
            "(../shared/vectors) or name their folder in VOUCHGATE_VECTORS"
        )
        raise FileNotFoundError(message)
    return folder


VECTORS = _vectors()
