import os
from types import SimpleNamespace

import pytest
import torch

from training.runs.device import device_line, say_device


def arguments(**changes):
    of_a_cpu = {"device": torch.device("cpu"), "bf16": False, "world_size": 1, "process_index": 0}
    return SimpleNamespace(**of_a_cpu | changes)


@pytest.fixture
def four_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)), raising=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)


@pytest.mark.usefixtures("four_cores")
def test_a_cpu_is_named_with_precision_processes_and_threads():
    line = device_line(arguments())
    assert line.startswith("device: CPU (")
    assert line.endswith("), float32, 1 process, 4 threads each")
    assert device_line(arguments(bf16=True)).endswith("bfloat16 (mixed), 1 process, 4 threads each")


@pytest.mark.usefixtures("four_cores")
def test_cores_that_no_thread_would_use_are_told_of(monkeypatch):
    # What `accelerate launch` does by itself.
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    line = device_line(arguments())
    assert line.endswith(
        "1 thread each; there are cores for 4: accelerate launch --num_cpu_threads_per_process 4 uses them"
    )
    assert "process 2 uses them" in device_line(arguments(world_size=2))
    assert "uses them" not in device_line(arguments(world_size=4))
    # Without a launcher someone has chosen one thread.
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION")
    assert "uses them" not in device_line(arguments())


def test_a_gpu_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H100")
    line = device_line(arguments(device=torch.device("cuda", 0), bf16=True, world_size=8))
    assert line == "device: NVIDIA H100, bfloat16 (mixed), 8 processes"


def test_the_first_process_speaks_for_all(capsys):
    say_device(arguments(process_index=1))
    assert capsys.readouterr().out == ""
    say_device(arguments())
    assert capsys.readouterr().out.startswith("device: CPU")
