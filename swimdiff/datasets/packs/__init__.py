"""Packed archives: format, reader, builder."""
