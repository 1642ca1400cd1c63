"""The library: one verb or noun a file, offered by `import detector`, and what the commands are made of."""
