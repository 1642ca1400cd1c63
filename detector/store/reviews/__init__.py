"""What people said: tables of it in, the latest word kept."""
