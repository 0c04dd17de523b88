"""A draft mapping for tables that nobody has mapped yet: every line says why, and how sure it is.

From the columns' dictionary, their values, and a lexicon of what clinical columns are called in five languages.
"""

from multimodal.drafting.decided import decided
from multimodal.drafting.document import draft_yaml, open_lines, scalar, told_open
from multimodal.drafting.draft import Draft, DraftedTable, draft_tables
from multimodal.drafting.proposals import TODO, Guess, Proposal

__all__ = [
    "TODO", "Draft", "DraftedTable", "Guess", "Proposal", "decided", "draft_tables", "draft_yaml", "open_lines",
    "scalar", "told_open",
]  # fmt: skip
