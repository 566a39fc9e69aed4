"""Measurements over time: this project's commits, its libraries' releases, and the site that shows both."""
