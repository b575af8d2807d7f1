"""What the command says of a verb that does not exist."""

import sys
from difflib import get_close_matches
from typing import Any

from typer.core import TyperGroup

_TRAINING = "A training is a script: accelerate launch -m training.{0} --config RECIPE"
_ELSEWHERE = {
    "embedding": "Did you mean grover embed?", "embeddings": "Did you mean grover embed?",
    "pretrain": _TRAINING.format("pretrain"), "train": _TRAINING.format("pretrain"),
    "finetune": _TRAINING.format("finetune"), "fine-tune": _TRAINING.format("finetune"),
    "convert-published": "It is grover convert-authors now.",
}
"""Verbs that many try, and what there is instead."""


class Verbs(TyperGroup):
    """A group of verbs that points to the nearest one where a verb does not exist."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            # Not `ctx.fail`, whose frame cuts lines that one wants to copy. Its code, 2, is that of a wrong call.
            print(f"error: There is no verb {args[0]!r}. {self._instead(ctx, args[0])}", file=sys.stderr)
            ctx.exit(2)
        return super().resolve_command(ctx, args)

    def _instead(self, ctx: Any, word: str) -> str:
        command = ctx.command_path
        if word in _ELSEWHERE and ctx.parent is None:
            return _ELSEWHERE[word]
        places = {name: f"{command} {name}" for name in self.commands}
        for name, verb in self.commands.items():
            places |= {inner: f"{command} {name} {inner}" for inner in getattr(verb, "commands", {})}
        # Only the nearest: tokenise is not interpret tokens.
        nearest = [places[name] for name in get_close_matches(word, places, n=1)]
        return f"Did you mean {' or '.join(nearest)}?" if nearest else f"{command} --help lists them."
