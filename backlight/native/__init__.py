"""The compiler: from a function of tensors to machine code, each stage a form that can be read."""
