"""Stands in for the two classes of the Kubernetes client that name a Secret."""
