"""One file a family: how it is written, and where its frames lie."""
