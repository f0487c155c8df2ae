"""Networks that other people trained, as integer layer graphs."""
