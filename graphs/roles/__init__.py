"""The five roles, the same in every system: summarizer, designer, executor, verifier, generator."""
