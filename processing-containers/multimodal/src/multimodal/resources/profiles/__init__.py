"""Sets of profiles (mCODE, MII): what they ask of a resource, as data, and how it is added."""

from multimodal.resources.profiles.following import ProfileSet, Unfollowed, profile_sets

__all__ = ["ProfileSet", "Unfollowed", "profile_sets"]
