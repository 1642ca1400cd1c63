"""The `hoopoe` command: one module a subcommand, no logic beyond wiring."""
