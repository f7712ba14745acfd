"""Forks: what else could have followed one and the same past."""
