"""Commands for data sets: looked at, shown, converted and drawn."""
