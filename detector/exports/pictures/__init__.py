"""Pictures and videos with boxes and names, and crops."""
