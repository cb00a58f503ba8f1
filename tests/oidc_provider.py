"""A provider of identities that is not ours, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import urllib3
from paths import ROOT
from processes import START_SECONDS, free_port


@pytest.fixture
def mock_provider() -> Iterator[str]:
    """The independent provider `oidc-provider-mock`, in a process of its own."""
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)]
    environment = {"AUTHLIB_INSECURE_TRANSPORT": "1", "PATH": "/usr/bin:/bin"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        try:
            urllib3.request("GET", f"{url}/jwks", retries=False, timeout=1)
            break
        except urllib3.exceptions.HTTPError:
            time.sleep(0.1)
    try:
        yield url
    finally:
        process.terminate()
        process.wait(10)
