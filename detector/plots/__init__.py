"""Figures and annotated pictures, drawn from plain arrays."""
