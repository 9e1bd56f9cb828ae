"""The processor, writing instructions, and machine code in memory and on disk."""
