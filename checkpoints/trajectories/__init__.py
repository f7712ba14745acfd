"""Stored runs as training data reads them: calls, trajectories, rows, and a ledger of all that was read."""
