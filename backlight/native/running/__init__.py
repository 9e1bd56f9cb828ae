"""Programs: their memory, their table of calls, and the threads that run it."""
