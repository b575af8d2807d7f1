"""What a model is trained on, in batches: windows of a genome, rows of a task."""
