"""How it thinks: one typed state, five roles, and the systems that use them."""
