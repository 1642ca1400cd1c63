"""Decisions over a store of facts: deployments, sequences, repeats, names, events. No model is loaded here."""
