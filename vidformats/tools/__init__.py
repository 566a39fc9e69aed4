"""What the commands call to work on whole collections of videos."""
