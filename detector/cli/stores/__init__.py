"""Commands about a store, the folder that `annotate` writes."""
