"""What a first pass and still bursts spare the detector, and the audit of what was passed over."""
