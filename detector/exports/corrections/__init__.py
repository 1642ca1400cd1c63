"""What people said of a store's pictures, as a data set for detectors."""
