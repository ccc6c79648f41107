"""What the inference uses of the machine: threads and child processes."""
