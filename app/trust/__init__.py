"""What both services stand on. No framework, no database, no clock of its own."""
