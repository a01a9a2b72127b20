"""What a drill came to, and what it looked like at every moment."""
