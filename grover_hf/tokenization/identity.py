"""What identifies a vocabulary: the digest of its token strings in id order.

This file needs nothing but the standard library: the handler of an endpoint contains its source
(`inference.endpoint_source`).
"""

import hashlib
from collections.abc import Sequence

from grover_hf.errors import InputError


def vocabulary_sha256(tokens: Sequence[str]) -> str:
    """Return the SHA-256 of the token strings, specials included, joined by newline in id order."""
    return hashlib.sha256("\n".join(tokens).encode()).hexdigest()


def require_same_vocabulary(have: str, want: str, *, what: str, other: str) -> None:
    """Raise `InputError` if two vocabulary digests differ, naming both."""
    if have != want:
        raise InputError(
            f"{what} has vocabulary {have[:12]}..., but {other} has {want[:12]}...: ids of one mean "
            "other tokens in the other. Tokenize again with the same tokenizer."
        )
