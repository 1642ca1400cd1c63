"""label-studio*.json and .xml, for Label Studio."""
