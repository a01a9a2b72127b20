"""What is written down on this machine of clusters and of the drills on them, before anything of either is made.

Whoever looks what there is, or clears up, begins here, and needs neither an engine nor a cluster for it.
"""
