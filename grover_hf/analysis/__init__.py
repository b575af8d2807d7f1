"""Arrays in; tables and figures out. No torch."""
