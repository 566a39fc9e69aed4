"""The parts of `vidformats advise`, from what may be stored to what is told."""
