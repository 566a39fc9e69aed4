"""From files to batches and back: windows, datasets and restored outputs."""
