"""What individuals and boxes are called."""
