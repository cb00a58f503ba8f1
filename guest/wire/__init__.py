"""What guest and server must agree on; the only part of the guest that the server imports."""
