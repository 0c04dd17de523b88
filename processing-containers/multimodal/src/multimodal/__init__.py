"""Joins scans, clinical tables and image features; knows nothing of Airflow or Kaapana."""

from importlib.metadata import version

__version__ = version("kaapana-multimodal")
