"""What a task and a command both do, one module each."""
