"""Client plugins, one file each; every plugin declares its operations."""
