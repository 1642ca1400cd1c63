"""The engine on many machines: shards of the media list go to workers of a Ray cluster, each with its own models."""
