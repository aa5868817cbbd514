"""Faults that a user can mend, each told in one sentence: what is wrong, where, and what to do."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A fault in a study, a model or the data. Its text is all that the user is shown."""


def hint(word: str, known: Iterable[str]) -> str:
    """Say which known word is nearest to a wrong one, or list the known ones where none is near."""
    known = sorted(map(str, known))
    near = difflib.get_close_matches(str(word), known, n=1)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"known: {', '.join(known)}" if known else "none is known here"
