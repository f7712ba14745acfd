"""Agents that design their own workflow while they run."""
