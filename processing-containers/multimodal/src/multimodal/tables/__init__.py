"""Table files to rows that keep their position."""
