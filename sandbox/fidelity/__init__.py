"""Fidelity: whether a drill on a real stack went as the simulation says. Folds over journals and the raw series beside them."""
