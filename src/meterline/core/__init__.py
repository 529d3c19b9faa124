"""Pure domain: values in, values out. Standard library only; no I/O, clock or randomness."""
