"""The page over HTTP: who may ask, what they may ask, and the answers."""
