"""Comparing a program with what its gates say."""
