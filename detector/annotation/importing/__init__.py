"""Boxes of other tools in, classified facts out."""
