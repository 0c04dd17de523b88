"""One page per task: a context in, one workflow, result.json out."""
