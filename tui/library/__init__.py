"""The library: which incident to play, where, how fast."""
