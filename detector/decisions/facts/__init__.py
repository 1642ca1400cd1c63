"""The facts of a store as columns, portion by portion."""
