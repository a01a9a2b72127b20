"""The image of all programs of a drill on Kubernetes."""
