"""The index's settings and mappings, under which a document of ours means what it means on Kaapana.

Kaapana finds the type of a field by its key, with regular expressions on the whole key, in this order. The
same rules hold here, so that what one host accepts the other accepts too.
"""

from __future__ import annotations

from typing import Any

_DATE = "yyyy-MM-dd"
_TIME = "HH:mm:ss.SSSSSS"
_DATETIME = f"{_DATE} {_TIME}"

# word in the key -> type of the field; the order decides, since "_datetime" holds "_date"
FIELD_TYPES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("_integer", {"type": "long"}),
    ("_float", {"type": "float"}),
    ("_double", {"type": "double"}),
    ("_datetime", {"type": "date", "format": _DATETIME}),
    ("_date", {"type": "date", "format": _DATE}),
    ("_time", {"type": "date", "format": _TIME}),
    ("timestamp", {"type": "date", "format": _DATETIME}),
    ("_object", {"type": "object"}),
    ("_boolean", {"type": "boolean"}),
)
OWNER = "multimodal"


def index_template(index: str) -> dict[str, Any]:
    """Return the index template for `index`: one shard, many fields, types by key."""
    return {
        "index_patterns": [index],
        "priority": 10,
        "template": {
            "settings": {
                "number_of_shards": 1,
                "number_of_replicas": 0,
                "mapping.total_fields.limit": 6000,
                "max_docvalue_fields_search": 150,
            },
            "mappings": {
                # Says that no platform fills this index: series without a document may be given one.
                "_meta": {"owner": OWNER},
                "date_detection": False,
                "numeric_detection": False,
                "dynamic_templates": [_by_key(word, mapping) for word, mapping in FIELD_TYPES],
            },
        },
    }


def _by_key(word: str, mapping: dict[str, Any]) -> dict[str, Any]:
    rule = {"match_pattern": "regex", "match": f"^.*{word}.*$", "mapping": mapping}
    return {f"key_with_{word.strip('_')}": rule}
