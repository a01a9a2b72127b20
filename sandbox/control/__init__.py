"""The service's own controllers as pure decisions: `decide(observed, spec, now) -> changes`."""
