"""Files for other programs, one module a format, from the decided store alone."""
