"""Crops that people named: which they are, what classes they join, and which are held out."""
