"""Reading tables as spreadsheets, R and people write them."""
