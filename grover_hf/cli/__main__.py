"""`python -m grover_hf.cli`, where the command itself is not on the path."""

from grover_hf.cli import main

main()
