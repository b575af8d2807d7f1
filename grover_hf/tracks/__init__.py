"""What a model says along a genome, as tracks of a genome browser."""
