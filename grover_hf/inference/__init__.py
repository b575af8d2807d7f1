"""A model on DNA of any length: what a sequence is, how it is read, what comes out."""
