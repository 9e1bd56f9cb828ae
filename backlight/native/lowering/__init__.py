"""From gates to array operations, and rewriting these: algebra, sums, layout."""
