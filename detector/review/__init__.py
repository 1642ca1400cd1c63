"""The review of a store: a page on this computer alone, on which people look at what was found and say what it is."""
