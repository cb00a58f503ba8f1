"""What every test here starts from."""

from command_site import prepared, site

__all__ = ["prepared", "site"]
