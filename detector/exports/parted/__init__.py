"""Formats that are written slice by slice by many processes, and joined in order."""
