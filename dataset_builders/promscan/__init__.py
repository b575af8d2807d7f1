"""PromScan: which windows around a promoter hold its start site."""
