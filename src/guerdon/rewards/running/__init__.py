"""How rewards run: row by row, in workers, with limits, from a cache."""
