"""Things that operators paste, taken apart: nothing is recorded, nothing is written."""
