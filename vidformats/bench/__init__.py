"""The laboratory: contents, the published experiment, measurements and reports."""
