"""Objects in the stores of clouds: their addresses, and listing, reading and writing them past a service's moods."""
