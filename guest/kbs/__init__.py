"""The client of a Key Broker Service."""
