"""What settings say of any server: its address, and the roots that vouch for it."""

from __future__ import annotations

import ipaddress
import ssl
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from guest.sections import Section

MAX_FILE_BYTES = 1024 * 1024

_PEM_MARK = "-----BEGIN "


def check_url(section: Section, key: str, url: str) -> None:
    """Note what is wrong with the URL of a server."""
    try:
        parts = urlsplit(url)
        port_is_valid = parts.port != 0
    except ValueError:
        section.fault(key, "is no URL")
        return
    plain = not (parts.query or parts.fragment or parts.username or parts.password)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not plain:
        section.fault(key, "must read http(s)://host[:port][/path] and nothing more")
    elif not port_is_valid or not url.isascii() or any(character <= " " for character in url):
        section.fault(key, "is no URL")
    elif parts.scheme == "http" and not _is_loopback(parts):
        section.fault(key, "plain http is for loopback addresses only")


def root_certificates(section: Section, key: str) -> str | None:
    """PEM text, given inline or as the path of a file."""
    value = section.text(key)
    if value is None:
        return None
    pem = value if _PEM_MARK in value else read_text(section, key, value)
    if pem is None:
        return None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError):
        section.fault(key, "holds no certificates in PEM")
        return None
    return pem


def read_text(section: Section, key: str, path: str) -> str | None:
    """The text of a file that a key names, of at most ``MAX_FILE_BYTES``."""
    try:
        with Path(path).open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
        if len(raw) > MAX_FILE_BYTES:
            section.fault(key, f"{path} has more than {MAX_FILE_BYTES} bytes")
            return None
        # Bytes, not text mode: init data is hashed as it is, line ends included.
        return raw.decode("utf-8")
    except OSError as error:
        section.fault(key, f"{path}: {error.strerror}")
    except ValueError:
        section.fault(key, f"{path} is not UTF-8 text")
    return None


def _is_loopback(parts: SplitResult) -> bool:
    # RFC 6761, section 6.3: the name localhost is loopback.
    host = parts.hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
