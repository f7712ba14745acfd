"""FlowSteer's director by rules: a canvas, and what it gives."""
