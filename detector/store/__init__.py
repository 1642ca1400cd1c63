"""The annotation store: facts that models saw, decisions made of them, and what people said."""
