"""What `doctor` checks: one module per kind of fault, and the table of their codes."""
