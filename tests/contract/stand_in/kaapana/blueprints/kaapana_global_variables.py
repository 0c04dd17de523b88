import os

BATCH_NAME = "batch"
DEFAULT_REGISTRY = os.environ["DEFAULT_REGISTRY"]
KAAPANA_BUILD_VERSION = os.environ["KAAPANA_BUILD_VERSION"]
PROCESSING_WORKFLOW_DIR = os.environ.get("STAND_IN_DATA", "/kaapana/mounted/data")
