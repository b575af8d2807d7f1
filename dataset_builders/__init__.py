"""One folder a dataset: `builder.py` and its card. `build` prepares any of them as Parquet.

Loading scripts are gone from `datasets`; a builder here is a class that we run, and what is
published is Parquet and a card, which `load_dataset` reads anywhere without remote code.
"""
