"""What vectors of token types encode: of tables, of contexts, of Word2Vec (the paper's Fig. 4 and 5a)."""
