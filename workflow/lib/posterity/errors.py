"""
Errors that a user can fix.

The text of an error has the form `<place>: <problem>. <Remedy>.`: the file and the key, what is
wrong, and what to do.
"""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class UserError(Exception):
    """
    An error in a study, a model or the data; the user sees its text and no traceback.

    Attributes
    ----------
    related : tuple of UserError
        Further errors that were found in the same step.
    """

    related: tuple["UserError", ...] = ()

    @property
    def messages(self) -> list[str]:
        """The text of this error and of all related errors."""
        messages = [str(self)]
        for error in self.related:
            messages += error.messages
        return messages


@contextmanager
def collect_errors(errors: list[UserError]) -> Iterator[None]:
    """Append a UserError of the block to `errors`, so that the next check can run."""
    try:
        yield
    except UserError as error:
        errors.append(error)


def raise_errors(errors: list[UserError]) -> None:
    """Raise the first error, with the others as related errors. Does nothing for an empty list."""
    if errors:
        errors[0].related += tuple(errors[1:])
        raise errors[0]


def hint(word: object, known: Iterable[object]) -> str:
    """Return the known word that is nearest to a misspelled one, or all known words."""
    words = sorted(map(str, known))
    nearest = difflib.get_close_matches(str(word), words, n=1)
    if nearest:
        return f"did you mean '{nearest[0]}'?"
    return f"known: {', '.join(words)}" if words else "none is known here"
