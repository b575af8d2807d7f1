"""`grover embed`: vectors of regions, genome bins and loose sequences, as Parquet or h5ad."""
