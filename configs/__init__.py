"""The configurations that ship with Hoopoe; each file holds what differs from the defaults."""
