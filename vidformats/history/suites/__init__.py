"""Benchmarks of other libraries' releases: self-contained files, copied beside a generated repository."""
