"""Training at one department: losses, optimisers over flat vectors, the loop, and metrics."""
