"""What a model says of variants: VCF files and tables of them in, the same with scores out."""
