"""Every figure, drawn from plain arrays."""
