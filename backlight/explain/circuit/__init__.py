"""A computation as a circuit of gates: recorded, told step by step, laid out, drawn."""
