"""The engine: tensors, how they were made, and the backward pass."""
