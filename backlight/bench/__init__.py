"""`backlight bench`: work beside the same work in other frameworks, compared and then timed."""
