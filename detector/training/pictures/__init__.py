"""Looking at the pictures of a set before training."""
