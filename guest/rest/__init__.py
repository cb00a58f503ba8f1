"""The loopback API that containers call."""
