"""Cards of photos and videos: finding files, decoding them, and when they were taken."""
