"""What the host of a drill does on every real stack: rounds by the wall clock, orders to services, and what comes back."""
