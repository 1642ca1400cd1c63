"""camtrap-dp/: a Camtrap DP package."""
