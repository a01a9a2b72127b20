"""One drill in a namespace: what it stands on, its objects, the way to its services, what is seen of it, and how it leaves.

Whatever is done through the Kubernetes API or by kubectl for a drill belongs here. Faults are done to it from outside: nothing
here knows of them.
"""
