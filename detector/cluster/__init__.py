"""Work on many machines: who does what, and what becomes of the work of those that died; the workers are Ray's."""
