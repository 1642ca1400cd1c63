"""What is seen of a run, and what is kept of it."""
