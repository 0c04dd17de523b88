"""Series documents in OpenSearch, joined with clinical columns and features."""
