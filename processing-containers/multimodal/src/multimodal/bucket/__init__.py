"""The project's object store or a folder."""
