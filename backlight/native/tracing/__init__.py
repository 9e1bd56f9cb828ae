"""Running a function without values, and the graph of gates that comes of it."""
