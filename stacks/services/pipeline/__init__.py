"""The pipeline: label join, quality and drift monitor, retraining loop, registry, canary and autoscaler, over HTTP."""
