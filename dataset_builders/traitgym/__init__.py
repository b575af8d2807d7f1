"""TraitGym, variants with labels."""
