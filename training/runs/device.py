"""The device that a run computes on: printed before anything large is opened."""

import os
from pathlib import Path

import torch
from transformers import TrainingArguments

from grover_hf._internals.cores import usable_cores
from training.runs.last_word import is_launched


def say_device(arguments: TrainingArguments) -> None:
    """Print, from the first process, on what the run computes."""
    if arguments.process_index == 0:
        print(device_line(arguments), flush=True)


def device_line(arguments: TrainingArguments) -> str:
    """Return device, precision, processes and threads, as one line for a person."""
    precision = "bfloat16 (mixed)" if arguments.bf16 else "float32"
    processes = f"{arguments.world_size} process{'es' if arguments.world_size > 1 else ''}"
    if arguments.device.type != "cpu":
        return f"device: {_accelerator_name(arguments.device)}, {precision}, {processes}"
    threads = torch.get_num_threads()
    of_each = f"{threads} thread{'s' if threads > 1 else ''} each"
    line = f"device: CPU ({_cpu_name()}), {precision}, {processes}, {of_each}"
    cores = usable_cores() // arguments.world_size
    # One thread is accelerate's default; where it did not launch the process, someone has chosen.
    if threads < cores and is_launched():
        line += f"; there are cores for {cores}: accelerate launch --num_cpu_threads_per_process {cores} uses them"
    return line


def _accelerator_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else os.uname().machine
