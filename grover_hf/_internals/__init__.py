"""What all rooms use and no user needs: files written whole, compiled code, progress, random numbers by key."""
