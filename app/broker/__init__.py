"""The Key Broker Service: a token in, a sealed secret out."""
