"""The project's object store, or a folder: mappings, reports, features, state."""

from multimodal.bucket.base import (
    Bucket,
    ChangedMeanwhileError,
    LockedError,
    LostLockError,
    NotInBucketError,
    UnsafeKeyError,
)
from multimodal.bucket.folder import FolderBucket
from multimodal.bucket.opening import open_bucket

__all__ = [
    "Bucket",
    "ChangedMeanwhileError",
    "FolderBucket",
    "LockedError",
    "LostLockError",
    "NotInBucketError",
    "UnsafeKeyError",
    "open_bucket",
]
