"""`grover interpret windows`: a map of genome windows by their vectors, and how well annotation can be told."""
