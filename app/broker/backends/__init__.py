"""Places where secrets live, one file each."""
