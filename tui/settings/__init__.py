"""What a person may set: theme, keys, and what the library offers first."""
