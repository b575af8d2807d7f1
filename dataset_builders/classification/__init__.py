"""Your own intervals or sequences with labels."""
