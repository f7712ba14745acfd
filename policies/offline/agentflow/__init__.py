"""AgentFlow's planner, analyst, verifier and caller of tools by rules."""
