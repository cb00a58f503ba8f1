"""Changes that might make a decision come out otherwise, one module for each sort of change."""
