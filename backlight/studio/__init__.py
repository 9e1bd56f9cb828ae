"""The studio: a local page on which circuits, training, runs and pictures are played with."""
