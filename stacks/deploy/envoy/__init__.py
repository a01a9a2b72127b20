"""The gateway's configuration for Envoy, generated from `ServiceSpec`.

What never changes is in the bootstrap file (`bootstrap`), what operators change in files that Envoy watches (`policy`): routes,
endpoints and runtime. Names of statistics are those of the monitor's catalogue (`statistics`).
"""
