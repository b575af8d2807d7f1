"""The checkpoint that the authors of the paper published, and their vocabulary."""
