"""What a session has on this machine: its folder and who holds it, processes, cgroups, ports, and how all of that goes away.

It knows nothing of the service under drill, and whoever clears up needs nothing else: it imports no other part of `stacks.real`.
"""
