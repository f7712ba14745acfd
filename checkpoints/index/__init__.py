"""The run index: tables and full-text search over all runs of a store. Derived: it may be deleted at any time."""
