"""One page that shows what was made: a self-contained HTML file of runs, scores and pictures."""
