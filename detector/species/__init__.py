"""From a bird's crop to its name: crops, calibration, priors, taxonomy and naming, as pure functions on arrays."""
