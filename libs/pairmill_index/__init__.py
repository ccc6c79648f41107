"""kNN indices over a dataset's embeddings: how they are built, kept, opened and searched."""
