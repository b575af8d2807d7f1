"""How far a training is: the first line of its log early, and time left in plain logs."""

import time

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from training.runs.cost import readable_duration

FIRST_LINE_STEPS = 20
"""`log.jsonl` has its first line after so many steps at the latest."""
_STEPS_BEFORE_TIMES = 5
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 10.0, 300.0


class EarlyFirstLine(TrainerCallback):
    """Logs after step 20, or after the last one, where the first regular line of the log would come later.

    By the number of the step alone: a run that was stopped and went on has the same lines.
    """

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        first = min(FIRST_LINE_STEPS, state.max_steps)
        if state.global_step == first < state.logging_steps:
            control.should_log = True


class ProgressLines(TrainerCallback):
    """Prints seconds a step and the time left, a line now and then, where no progress bar is shown.

    The first step of a session is not counted: it also compiles and allocates.
    """

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        self._first_step = state.global_step + 1
        self._counted_from = self._due = time.perf_counter()
        self._pause = _FIRST_PAUSE_SECONDS

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        """Print a line if one is due: after five steps or half a minute, then in pauses that grow."""
        now, n_steps = time.perf_counter(), state.global_step - self._first_step
        if n_steps == 0:
            self._counted_from = now
        # A bar says it on a terminal.
        if not args.disable_tqdm or not state.is_world_process_zero or n_steps < 1 or now < self._due:
            return
        elapsed = now - self._counted_from
        if n_steps < _STEPS_BEFORE_TIMES and elapsed < 3 * _FIRST_PAUSE_SECONDS:
            return
        a_step = elapsed / n_steps
        left = readable_duration((state.max_steps - state.global_step) * a_step)
        losses = [entry["loss"] for entry in state.log_history if "loss" in entry]
        loss = f", loss {losses[-1]:.3f}" if losses else ""
        print(
            f"step {state.global_step:,} of {state.max_steps:,}: {a_step:.2g} s a step, {left} left{loss}",
            flush=True,
        )
        self._due, self._pause = now + self._pause, min(2 * self._pause, _LONGEST_PAUSE_SECONDS)
