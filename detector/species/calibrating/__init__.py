"""Fitting a calibration on labelled pictures."""
