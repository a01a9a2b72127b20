"""The programs that run inside the local and the kind stack."""
