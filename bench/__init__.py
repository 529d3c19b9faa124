"""The benchmarks: every figure that README states, with the command that prints it again."""
