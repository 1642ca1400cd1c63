"""Training of species classifiers on crops."""
