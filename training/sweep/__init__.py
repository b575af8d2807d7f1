"""The parts of a vocabulary sweep: its recipe, genomes, budgets, grid of cells, and what runs them."""
