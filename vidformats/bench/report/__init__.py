"""Measurements as people read them: tables, plots, the site's page."""
