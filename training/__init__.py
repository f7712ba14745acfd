"""How it learns: tasks with exact answers, and the scorers that judge them."""
