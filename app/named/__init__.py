"""What the settings name, opened: keys, certificates, verifiers, whoever is trusted.

One module for each kind of thing. Whatever is not there, or is not what it should be, is a fault of
the settings; ``app.named.checking`` finds all of them before anything is served or written.
"""
