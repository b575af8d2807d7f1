"""Makes the message of a process the last thing that a launch prints.

`accelerate launch` raises an error of its own after a process that failed: a traceback of the launcher below the
message. No exit code keeps it from that, and `accelerate launch --quiet` does so on one device alone. So a helper
process outlives the launcher and repeats the message, once.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

_LAUNCHER_ENDS_WITHIN_SECONDS = 60
_HELPER = """
import os, select, sys
launcher, lock, text = int(sys.argv[1]), sys.argv[2], sys.argv[3]
try:
    ended = select.poll()
    ended.register(launcher, select.POLLIN)
    if ended.poll({milliseconds}):
        os.write(2, text.encode())
finally:
    os.unlink(lock)
"""


def is_launched() -> bool:
    """Return whether `accelerate launch` or `torchrun` started this process."""
    return bool({"ACCELERATE_MIXED_PRECISION", "TORCHELASTIC_RUN_ID"} & set(os.environ))


def repeat_after_the_launcher(text: str) -> None:
    """Print `text` on stderr again when `accelerate launch` or `torchrun`, which started this process, has ended.

    Where several processes fail, the first has the word. Nothing is done on other systems than Linux, or where
    this process was not launched by them.
    """
    if not is_launched() or not hasattr(os, "pidfd_open"):
        return
    launcher = os.getppid()
    lock = Path(tempfile.gettempdir()) / f"grover-last-word-{os.getuid()}-{launcher}"
    with contextlib.suppress(OSError):
        watched = os.pidfd_open(launcher)
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
        sys.stderr.flush()
        subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _HELPER.format(milliseconds=1_000 * _LAUNCHER_ENDS_WITHIN_SECONDS),
             str(watched), str(lock), f"\n{text}\n"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[watched], start_new_session=True,
        )
