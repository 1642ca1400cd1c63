"""Corrections that people made in other programs: what their files say, joined to the boxes of a store."""
