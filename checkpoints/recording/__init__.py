"""Recording of graphs that are not ours: calls and tools joined to checkpoints, and read back as trajectories."""
