"""What departments know: facts as a graph, joined under policy, learnt together, used by their models."""
