"""The asv suite: thin classes that name a case and a measure; the work is in vidformats."""
