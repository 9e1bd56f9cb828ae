"""Products, convolutions and distances: one register tile and what is built around it."""
