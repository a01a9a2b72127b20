"""A training job: takes a snapshot, trains a model, hands it to the registry, and ends."""
