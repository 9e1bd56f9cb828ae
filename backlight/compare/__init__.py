"""The road of the notes, from guessing to convolutions, on one data set and one page."""
