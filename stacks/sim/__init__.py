"""The simulation: SimPy for the control plane, a compiled kernel for the data plane."""
