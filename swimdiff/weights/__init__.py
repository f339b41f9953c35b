"""Reading, selecting and converting weights."""
