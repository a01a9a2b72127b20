"""The session host: a drill in a process of its own, behind one HTTP and WebSocket API on a Unix socket, and its client."""
