"""Binary structures that several TEEs share."""
