"""What goes to the Hub beside weights and rows: cards, made from facts."""
