"""Searching for settings: many short trainings on the validation split, and one winner."""
