"""Lists of files, in place of what lies on a card."""
