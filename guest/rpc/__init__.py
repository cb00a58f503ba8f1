"""What stock guests' programs ask each other, whichever protocol carries it."""
