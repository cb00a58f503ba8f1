"""What every test here starts from."""

from applications import prepared

__all__ = ["prepared"]
