"""How well birds are named: shares of right names, macro-F1, and how far these may be trusted."""
