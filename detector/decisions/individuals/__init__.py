"""Which boxes show one individual, or one thing that is none."""
