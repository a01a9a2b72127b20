"""What the service runs on: names of nodes, clients and labels that faults, actions and stacks share."""

from __future__ import annotations

NODES = ("node-1", "node-2", "node-3", "node-4")
"""Nodes of the cluster that replicas are placed on."""
TOLERATION = 30
"""Seconds that a pod of the service stays on a node that is not ready; without a word Kubernetes says 300."""
PARTNER, BATCH = "partner", "batch"
CLIENTS = (PARTNER, BATCH)
"""Who can have a quota: the partner whose requests come through the gateway, and the batch planner that bids for replicas."""
LABELS = ("request_id", "client_address")
"""Labels of the model servers' metrics that can have any number of values."""
ORIGIN, MIRROR = "origin", "mirror"
ARTIFACTS = (ORIGIN, MIRROR)
"""Where model servers load models from."""
USUAL_SETTINGS = "usual"
