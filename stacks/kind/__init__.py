"""Where a drill runs on a real Kubernetes cluster that kind makes."""
