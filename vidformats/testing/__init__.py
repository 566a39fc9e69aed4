"""The conformance class that formats inherit, those of other packages too."""
