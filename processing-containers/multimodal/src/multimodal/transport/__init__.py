"""HTTP to named stores: the allow-list, sessions, retry, authentication."""
