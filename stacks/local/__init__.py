"""The local stack: real processes on loopback."""
