"""The processes of a run on one machine or several: where they are, what they agree on, what happens when one goes."""
