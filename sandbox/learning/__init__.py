"""Models of the service: training on what was known, a store of versions, and their scores."""
