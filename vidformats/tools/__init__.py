"""What the commands call to work on the user's own videos."""
