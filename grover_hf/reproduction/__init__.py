"""The paper's numbers, each beside ours, by one command."""
