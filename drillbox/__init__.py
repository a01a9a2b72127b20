"""drillbox: MLOps-in-a-box. Bring up a small machine-learning service, let an incident happen to it, and take charge."""
