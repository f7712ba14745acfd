"""The canvas: a workflow as typed data that is edited, checked, run and compiled. FlowSteer, arXiv 2602.01664."""
