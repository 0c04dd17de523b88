"""From a store of the stores file to its bucket."""

from __future__ import annotations

from pathlib import Path

from multimodal.bucket.base import Bucket
from multimodal.bucket.folder import FolderBucket
from multimodal.model.errors import ConfigurationError
from multimodal.transport.stores import Store


def open_bucket(store: Store) -> Bucket:
    """Return the bucket that `store` names.

    Raises
    ------
    ConfigurationError
        If the store is of a kind that is no bucket.
    """
    if store.kind == "folder":
        return FolderBucket(Path(store.path), name=store.name)
    if store.kind == "s3":
        from multimodal.bucket.s3 import S3Bucket  # its client takes a third of a second to import

        return S3Bucket(store)
    raise ConfigurationError(f"store {store.name} is of kind {store.kind}, which is no bucket; use kind folder or s3")
