"""Pictures with three channels: read them, judge their depth, divide them into parts."""
