"""Where a drill runs on a real Kubernetes cluster that kind makes.

By the modules here others enter. Each room imports only those that stand after it: `faults` (what realises which fault), `drill`
(one drill in a namespace), `cluster` (the engine, kind, the cluster and what is loaded onto it), `records` (what is written down
of clusters and drills).
"""
