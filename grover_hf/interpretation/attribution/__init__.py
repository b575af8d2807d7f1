"""Which bases and tokens of a region a model's answer rests on, or what it expects there."""
