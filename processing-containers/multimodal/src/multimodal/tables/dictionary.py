"""What a source knows of its columns beside their values: REDCap's dictionary, ODM's metadata, IDC's clinical_index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Field:
    """One column, as its dictionary describes it.

    Parameters
    ----------
    name : str
        Name of the field. A checkbox field has no column of its own: see `option_of`.
    label : str
        The question, for people.
    type : str
        One of ``number, integer, code, checkbox, boolean, text, date, datetime, time, file, calc, descriptive``; empty
        where it is not known.
    form : str
        Form (REDCap instrument, ODM item group) that holds it.
    choices : mapping of str to str
        Code to label.
    unit : str
        As it is written in the dictionary.
    limits : tuple of str
        Lowest and highest valid value, as written; empty where there is none.
    identifier : bool
        Whether it is marked as identifying a person.
    hidden : bool
        Whether no person sees it (REDCap ``@HIDDEN``).
    note : str
        Anything else a person wrote about it.
    """

    name: str
    label: str = ""
    type: str = ""
    form: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)
    unit: str = ""
    limits: tuple[str, str] = ("", "")
    identifier: bool = False
    hidden: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """A visit that the study plans.

    Parameters
    ----------
    name : str
        As rows name it, e.g. ``baseline_arm_1``.
    label : str
        For people.
    day_offset : int, optional
        Planned day after the start of the study.
    """

    name: str
    label: str = ""
    day_offset: int | None = None


@dataclass(frozen=True, slots=True)
class Dictionary:
    """All that a source knows of one table.

    Parameters
    ----------
    fields : mapping of str to Field
        By name.
    option_of : mapping of str to tuple of str
        Header of a checkbox column (``race___2``) to the name of its field and the code of the option.
    events : mapping of str to Event
        By name.
    missing : mapping of str to str
        Missing data codes of the whole project, with their labels.
    """

    fields: Mapping[str, Field] = field(default_factory=dict)
    option_of: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    events: Mapping[str, Event] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
