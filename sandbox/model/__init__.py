"""The types that all rooms share: pure data, standard library and numpy only."""
