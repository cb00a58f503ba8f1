"""Persistence: the only part that talks to the database."""
