"""Help, made of the bindings themselves."""
