"""Each figure that the README quotes, as a command: ``python -m bench`` runs all, ``python -m bench.<name>`` one."""
