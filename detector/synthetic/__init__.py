"""Drawn birds, scenes and cards: pictures of known content, for the demo and the tests."""
