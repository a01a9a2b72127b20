"""What the engineer sees."""
