"""What the real stacks are deployed with: images, manifests, the gateway's configuration, monitoring."""
