"""The controller of the gateway on Kubernetes: keeps Envoy and the model servers in step with what the cluster says."""
