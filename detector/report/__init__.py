"""The report of a store: a page that opens from the disk, without network."""
