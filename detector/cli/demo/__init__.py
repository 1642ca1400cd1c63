"""`hoopoe demo`, step by step."""
