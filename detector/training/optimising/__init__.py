"""How weights change over a run: its length, learning rate, optimiser and average."""
