"""What an archive holds: patches by number, their cache on disk, sources that read them."""
