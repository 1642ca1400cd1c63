"""What `predict` and `classify` share: which pictures, and the tables and files that are written of them."""
