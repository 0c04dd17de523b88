"""The few words every room shares: references, identifiers, errors, exit codes."""
