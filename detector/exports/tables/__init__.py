"""Results, files, events and effort as CSV and Excel tables."""
