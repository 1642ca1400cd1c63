"""The model pipeline: footage in, facts out."""
