"""The service's own controllers as SimPy processes: in virtual time for the simulation, against the wall clock for real services.

They decide through `sandbox.control` and see the data plane only through the protocols of `interfaces`.
"""
