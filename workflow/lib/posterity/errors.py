"""Faults that a user can mend, each told in one sentence: what is wrong, where, and what to do."""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class UserError(Exception):
    """A fault in a study, a model or the data. Its text is all that the user is shown. `others` were found together with it."""

    others: tuple["UserError", ...] = ()

    @property
    def sentences(self) -> list[str]:
        """All faults that were found together, a sentence each."""
        return [str(self), *(sentence for other in self.others for sentence in other.sentences)]


@contextmanager
def collect_errors(found: list[UserError]) -> Iterator[None]:
    """Put a fault into a list, so that the next one can be looked for."""
    try:
        yield
    except UserError as fault:
        found.append(fault)


def raise_errors(found: list[UserError]) -> None:
    """Raise the first of the faults, which knows of the others."""
    if found:
        found[0].others += tuple(found[1:])
        raise found[0]


def hint(word: str, known: Iterable[str]) -> str:
    """Say which known word is nearest to a wrong one, or list the known ones where none is near."""
    known = sorted(map(str, known))
    near = difflib.get_close_matches(str(word), known, n=1)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"known: {', '.join(known)}" if known else "none is known here"
