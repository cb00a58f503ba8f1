"""ttrpc: remote calls over a Unix socket, as stock guests' programs speak it."""
