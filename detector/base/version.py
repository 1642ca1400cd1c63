"""The version of this Hoopoe, of which every room may know."""

__version__ = "0.2.0"
