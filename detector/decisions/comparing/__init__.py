"""Two runs on the same footage: what changed, and which is nearer to what people say."""
