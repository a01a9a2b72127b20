"""The container engine, kind, a cluster with its nodes, and the image that is loaded onto them.

Whatever is done through the engine belongs here, and what a cluster is before there is a drill on it. Drills are known by their
records only.
"""
