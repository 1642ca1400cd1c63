"""What words mean: kinds of labels, taxa, and the names that people write."""
