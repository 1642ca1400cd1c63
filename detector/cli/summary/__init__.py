"""What a person is told when footage was annotated or decided: what was found, what to look at, what comes next."""
