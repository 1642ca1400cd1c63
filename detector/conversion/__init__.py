"""From a model to a folder that another runtime runs: cutting, writing, 8 bits, and what that costs in birds."""
