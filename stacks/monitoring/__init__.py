"""Monitoring of real stacks: scrapes over HTTP, what a cluster's exporters would say, and Prometheus itself."""
