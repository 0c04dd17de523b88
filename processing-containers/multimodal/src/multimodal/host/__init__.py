"""The host's environment, folders and secrets as one typed TaskContext."""
