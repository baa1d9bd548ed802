"""Commands: argument parsing and printing, nothing else."""
