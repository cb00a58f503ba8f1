"""Keys for a server of the tests, by PyKMIP's client: ``python kmip_keys.py FOLDER PORT``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from kmip.core.enums import CryptographicAlgorithm, CryptographicUsageMask
from kmip.pie.client import ProxyKmipClient
from kmip.pie.objects import SymmetricKey

folder, port = Path(sys.argv[1]), int(sys.argv[2])
masks = [CryptographicUsageMask.ENCRYPT, CryptographicUsageMask.DECRYPT]
client = ProxyKmipClient(
    hostname="127.0.0.1",
    port=port,
    cert=str(folder / "guest-cert.pem"),
    key=str(folder / "guest-key.pem"),
    ca=str(folder / "authority.pem"),
    ssl_version="PROTOCOL_TLSv1_2",
)
found = {}
with client:
    for name, start in (("kek", 0), ("kek2", 100), ("inactive", 200)):
        key = SymmetricKey(CryptographicAlgorithm.AES, 256, bytes(range(start, start + 32)), masks)
        found[name] = client.register(key)
        if name != "inactive":
            client.activate(found[name])
sys.stdout.write(json.dumps(found))
