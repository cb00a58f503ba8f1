"""PyKMIP's server as a program: ``python kmip_server.py FOLDER PORT``."""

from __future__ import annotations

import sys
from pathlib import Path

from kmip.services.server import KmipServer

folder, port = Path(sys.argv[1]), int(sys.argv[2])
server = KmipServer(
    hostname="127.0.0.1",
    port=port,
    certificate_path=str(folder / "server-cert.pem"),
    key_path=str(folder / "server-key.pem"),
    ca_path=str(folder / "authority.pem"),
    auth_suite="TLS1.2",
    config_path=None,
    log_path=str(folder / "server.log"),
    policy_path=str(folder),
    enable_tls_client_auth=False,
    logging_level="WARNING",
    database_path=str(folder / "keys.sqlite"),
)
server.start()
sys.stdout.write("started\n")
sys.stdout.flush()
server.serve()
