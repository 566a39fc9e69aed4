"""How bytes become frames: four ways, one file each. Readers know nothing of formats."""
