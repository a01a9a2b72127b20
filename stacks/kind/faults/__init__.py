"""What realises the faults of a scenario on a cluster: one table, and what hits containers and nodes.

How a fault is taken back belongs beside how it begins; what is done to nodes is in the undo log before it is done.
"""
