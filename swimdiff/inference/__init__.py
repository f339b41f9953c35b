"""From rasters of any size to maps, and from maps to what people open."""
