"""The load generator: the clients of the drill. Open-loop: requests come when the world says, whatever became of those before."""
