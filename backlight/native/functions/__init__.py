"""Vector code of the elementary functions, with stated errors."""
