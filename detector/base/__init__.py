"""The floor: what every room does in the same way, once."""
