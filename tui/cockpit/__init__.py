"""The cockpit: what the engineer on call sees and does during a drill."""
