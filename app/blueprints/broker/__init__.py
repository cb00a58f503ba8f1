"""The routes of the Key Broker Service."""
