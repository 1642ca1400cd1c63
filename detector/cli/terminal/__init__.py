"""How the program speaks: errors and exit codes."""
