"""The one exception for input that cannot be used as it is."""


class InputError(ValueError):
    """A file, value or option of the user is wrong; the message says which, and what to do.

    The command line prints the message alone, without a traceback, and ends with exit code 1.

    Examples:
        >>> try:
        ...     ReferenceGenome("missing.fa")
        ... except InputError as error:
        ...     print(error)
        There is no file missing.fa.
    """


def shorten(names: list[str], limit: int = 8) -> str:
    """Return `names` as one readable line, at most `limit` of them and a count of the rest."""
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown}, ... ({len(names)} in all)"
