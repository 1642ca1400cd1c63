"""Parts and stores made one."""
