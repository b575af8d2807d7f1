"""The Trainer of transformers, watched and resumable, and the loss of a global batch."""
