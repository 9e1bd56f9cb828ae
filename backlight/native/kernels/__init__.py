"""Which operations become one kernel, and the code of loops over arrays."""
