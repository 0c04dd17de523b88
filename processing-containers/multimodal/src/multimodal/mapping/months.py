"""Names of months in English, German, French, Spanish and Italian, as date cells write them."""

from __future__ import annotations

# One line for each month; what two languages share stands once.
_NAMES = """
january jan januar jän jänner janvier janv enero ene gennaio gen
february feb februar feber février févr fév fevrier fevr febrero febbraio febb
march mar märz mär maerz mrz mars marzo
april apr avril avr abril abr aprile
may mai mayo maggio mag
june jun juni juin junio giugno giu
july jul juli juillet juil julio luglio lug
august aug août aout agosto ago
september sep sept septembre septiembre setiembre settembre sett set
october oct oktober okt octobre octubre ottobre ott
november nov novembre noviembre
december dec dezember dez décembre déc decembre diciembre dic dicembre
"""
MONTHS: dict[str, int] = {
    name: number for number, line in enumerate(_NAMES.strip().splitlines(), start=1) for name in line.split()
}


def month_of(name: str) -> int:
    """Return the number of a month, 0 where nobody calls one so.

    Parameters
    ----------
    name : str
        Whole or abbreviated, in any case, with or without a full stop.
    """
    return MONTHS.get(name.rstrip(".").casefold(), 0)
