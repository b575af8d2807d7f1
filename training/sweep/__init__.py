"""The parts of a vocabulary sweep: its recipe, its budgets, its cells, and what runs them."""
