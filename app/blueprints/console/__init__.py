"""The operators' pages and their REST API."""
