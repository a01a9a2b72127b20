"""A drill's objects on a Kubernetes cluster, rendered from `Scenario` and `ServiceSpec`, and the way back.

`objects` renders, `fields` is the checked table of the fields of `ServiceSpec` and their places in the cluster: it makes patches
of changes and fields of what the cluster has. All functions are pure; nobody talks to a cluster here.
"""
