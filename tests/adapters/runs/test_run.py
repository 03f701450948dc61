import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import torch

from gpk.errors import InputError, RunError
from gpk.logger import Logger
from gpk_checkpoints.files import write_safetensors
from gpk_checkpoints.parts import part_of
from gpk_runs.log import read_log
from gpk_runs.run import Run
from gpk_runs.state import logged_bytes

CONFIG = {"seed": 3, "recipe": {"rank": 1, "parts": ["backbone", "superres"]}, "rate": 1e-5, "title": "1e-5"}


def no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def events(run: Run) -> list[dict[str, Any]]:
    return [{key: value for key, value in event.items() if key != "time"} for event in run.read_log()]


def test_a_new_run(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "one"
    with Run.open(folder, CONFIG) as run:
        logger: Logger = run
        logger.record("begun", {"photos": 4, "loss": torch.tensor(0.5)})
        assert events(run) == [{"event": "begun", "photos": 4, "loss": 0.5}]
        assert run.load_state() is None
        assert not run.finished
    made = sorted(path.name for path in folder.iterdir())
    assert made == ["config.yaml", "environment.json", "log.jsonl", "pictures", "run.lock"]


def test_the_environment_names_versions_and_no_folder(tmp_path: Path) -> None:
    with Run.open(tmp_path, CONFIG):
        pass
    text = (tmp_path / "environment.json").read_text()
    known = json.loads(text)
    assert known["torch"] == torch.__version__
    assert known["device"] == "cpu"
    assert str(Path.home()) not in text
    assert "/" not in known["platform"]


def test_another_environment_is_added(tmp_path: Path) -> None:
    with Run.open(tmp_path, CONFIG):
        pass
    path = tmp_path / "environment.json"
    elsewhere = json.loads(path.read_text()) | {"torch": "2.6.0"}
    path.write_text(json.dumps(elsewhere))
    for _ in range(2):
        with Run.open(tmp_path, CONFIG):
            pass
    known = json.loads(path.read_text())
    assert known["torch"] == "2.6.0"
    assert [other["torch"] for other in known["resumed_on"]] == [torch.__version__]


def test_progress_goes_to_whoever_shows_it(tmp_path: Path) -> None:
    shown: list[tuple[object, ...]] = []
    with Run.open(tmp_path / "a", CONFIG, show=lambda *told: shown.append(told)) as run:
        run.progress("tune", 1, 10, {"loss": 0.5})
        assert run.read_log() == []
    with Run.open(tmp_path / "b", CONFIG) as run:
        run.progress("tune", 1, 10, {"loss": 0.5})
    assert shown == [("tune", 1, 10, {"loss": 0.5})]


def test_resuming_gives_the_log_of_an_uninterrupted_run(tmp_path: Path) -> None:
    with Run.open(tmp_path, CONFIG) as run:
        run.record("step", {"images": 4})
        run.save_state({"A": torch.ones(2), "count": torch.tensor(7)}, {"stage": "tune", "images": 4})
        run.record("step", {"images": 8})
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('{"event": "ste')
    with Run.open(tmp_path, CONFIG) as run:
        saved = run.load_state()
        assert saved is not None
        tensors, position = saved
        assert tensors["A"].tolist() == [1, 1]
        assert tensors["count"].dtype == torch.int64
        assert position == {"stage": "tune", "images": 4}
        run.record("step", {"images": 8})
        assert [event["images"] for event in run.read_log()] == [4, 8]


def test_without_a_state_a_run_starts_over(tmp_path: Path) -> None:
    for _ in range(2):
        with Run.open(tmp_path, CONFIG) as run:
            assert run.read_log() == []
            run.save_state({}, {"images": 4})
            run.record("step", {"images": 4})
            run.discard_state()
            assert run.load_state() is None


def test_a_finished_run_keeps_its_log(tmp_path: Path) -> None:
    with Run.open(tmp_path, CONFIG) as run:
        run.record("step", {"images": 4})
        run.save_state({"A": torch.ones(2)}, {"images": 4})
        run.finish({"images": 8})
        assert run.finished
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('{"event": "sco')
    with Run.open(tmp_path, CONFIG) as run:
        assert run.finished
        assert run.load_state() is None
        run.record("scored", {})
        assert [event["event"] for event in events(run)] == ["step", "finished", "scored"]


def test_other_settings_are_told_by_name(tmp_path: Path) -> None:
    with Run.open(tmp_path, CONFIG):
        pass
    other = {"seed": 4, "recipe": {"rank": 2, "alpha": 1.0, "parts": ["backbone"]}, "rate": 1e-5, "title": "1e-5"}
    message = (
        "holds a run with other settings: seed is 3 there and 4 now; recipe.rank is 1 there and 2 now; "
        r"recipe.alpha is not set there and 1\.0 now \(and 1 more\)\. Give another --out, or the old settings$"
    )
    with pytest.raises(RunError, match=message):
        Run.open(tmp_path, other)
    with Run.open(tmp_path, CONFIG):  # the failed attempt has let go of the folder
        pass


def test_a_setting_that_is_gone_is_told(tmp_path: Path) -> None:
    with Run.open(tmp_path, {"seed": 3, "old": True}):
        pass
    with pytest.raises(RunError, match="old is true there and not set now"):
        Run.open(tmp_path, {"seed": 3})


def test_tuples_are_the_lists_they_become(tmp_path: Path) -> None:
    for _ in range(2):
        with Run.open(tmp_path, {"betas": (0.0, 0.99)}):
            pass


def test_damaged_settings(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("seed: [")
    with pytest.raises(InputError, match=r"config\.yaml, line 1 is not YAML"):
        Run.open(tmp_path, CONFIG)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("name", ["log.jsonl", "state.safetensors", "config.yaml", "environment.json"])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(name: str, tmp_path: Path) -> None:
    with Run.open(tmp_path, CONFIG) as run:
        run.save_state({}, {})
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    with pytest.raises(RunError, match=rf"{name} is no file, but a folder, a pipe or a device"):
        Run.open(tmp_path, CONFIG)


def test_a_folder_with_something_else_in_it(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"")
    with pytest.raises(RunError, match=r"holds 'holiday\.jpg' and is no run's folder: give another --out, or empty it"):
        Run.open(tmp_path, CONFIG)
    assert [p.name for p in tmp_path.iterdir()] == ["holiday.jpg"]


def test_a_folder_that_a_crash_left_before_the_settings(tmp_path: Path) -> None:
    for name in ("run.lock", ".config.yaml.gpk-part"):
        (tmp_path / name).write_bytes(b"")
    with Run.open(tmp_path, CONFIG):
        assert not list(tmp_path.glob("*part"))


def test_parts_that_a_crash_left_are_swept_and_nothing_else(tmp_path: Path) -> None:
    """Somebody's own files and folders stay, whatever they are called."""
    with Run.open(tmp_path, CONFIG) as run:
        part_of(run.pictures / "sheet.png").write_bytes(b"half")
        part_of(tmp_path / "state.safetensors").write_bytes(b"half")
        (tmp_path / "film.part").write_bytes(b"a download of the user's")
        (tmp_path / "second.part").mkdir()
        (tmp_path / "second.part" / "scene").write_bytes(b"theirs")
    with Run.open(tmp_path, CONFIG):
        assert {file.name for file in tmp_path.rglob("*part")} == {"film.part", "second.part"}
        assert (tmp_path / "second.part" / "scene").exists()


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RunError, match="file is a file: a run needs a folder, give another --out"):
        Run.open(tmp_path / "file", CONFIG)
    with pytest.raises(RunError, match=r"cannot use .*inside as a run's folder: Not a directory"):
        Run.open(tmp_path / "file" / "inside", CONFIG)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_that_is_not_writable(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        for folder in (tmp_path, tmp_path / "inside"):
            with pytest.raises(RunError, match=r"cannot use .* as a run's folder: Permission denied"):
                Run.open(folder, CONFIG)
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that not even the superuser can write in")
def test_a_folder_that_nobody_can_write_in() -> None:
    with pytest.raises(RunError, match=r"cannot use /proc/self/run as a run's folder: "):
        Run.open(Path("/proc/self/run"), CONFIG)


def test_a_run_in_use(tmp_path: Path) -> None:
    with Run.open(tmp_path, CONFIG), pytest.raises(RunError, match="is in use by another process: wait for it"):
        Run.open(tmp_path, CONFIG)
    with Run.open(tmp_path, CONFIG):
        pass


def test_a_run_in_use_by_another_process(tmp_path: Path, running: Callable[..., Any]) -> None:
    program = (
        "import sys, time; from pathlib import Path; from gpk_runs.run import Run\n"
        "with Run.open(Path(sys.argv[1]), {}): print('open', flush=True); time.sleep(60)"
    )
    with running(sys.executable, "-c", program, tmp_path, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == "open\n"
        with pytest.raises(RunError, match="is in use by another process"):
            Run.open(tmp_path, {})
        other.send_signal(signal.SIGKILL)
    with Run.open(tmp_path, {}):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of a file's size there")
def test_a_full_disk_keeps_the_old_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_files: Callable[[int], AbstractContextManager[None]]
) -> None:
    with Run.open(tmp_path, CONFIG) as run:
        run.save_state({"A": torch.ones(2)}, {"images": 4})
        with small_files(1 << 12), pytest.raises(RunError, match=r"cannot write .*state\.safetensors: File too large"):
            run.save_state({"A": torch.zeros(1 << 16)}, {"images": 8})
        saved = run.load_state()
        assert saved is not None
        assert saved[1] == {"images": 4}
        monkeypatch.setattr(os, "fsync", no_space)
        with pytest.raises(RunError, match=r"cannot write .*log\.jsonl: No space left on device"):
            run.save_state({}, {"images": 8})


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_while_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Run.open(tmp_path, CONFIG) as run, Path("/dev/full").open("ab", buffering=0) as full:
        monkeypatch.setattr(run, "_lines", full)
        with pytest.raises(RunError, match=r"cannot write .*log\.jsonl: No space left on device"):
            run.record("step", {})


@pytest.mark.skipif(os.name != "posix", reason="needs limits on the size of files")
def test_a_disk_that_fills_in_the_middle_of_a_line(tmp_path: Path) -> None:
    program = (
        "import sys, resource; from pathlib import Path; from gpk.errors import RunError\n"
        "from gpk_runs.run import Run\n"
        "with Run.open(Path(sys.argv[1]), {}) as run:\n"
        "    run.record('step', {'images': 4})\n"
        "    size = (run.directory / 'log.jsonl').stat().st_size\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, resource.RLIM_INFINITY))\n"
        "    try: run.record('step', {'images': 8})\n"
        "    except RunError as error: print(error)"
    )
    told = subprocess.run([sys.executable, "-c", program, tmp_path], check=True, capture_output=True, text=True)
    assert told.stdout == f"cannot write {tmp_path / 'log.jsonl'}: no space is left\n"
    assert len((tmp_path / "log.jsonl").read_bytes().split(b"\n")[1]) == 10
    assert [event["images"] for event in read_log(tmp_path / "log.jsonl")] == [4]


def test_a_damaged_state(tmp_path: Path) -> None:
    with Run.open(tmp_path, CONFIG) as run:
        run.save_state({"A": torch.ones(2)}, {"images": 4})
    state = tmp_path / "state.safetensors"
    os.truncate(state, 20)
    with pytest.raises(RunError, match=r"state\.safetensors is damaged or cut short: delete it to start this run over"):
        Run.open(tmp_path, CONFIG)
    write_safetensors(state, {}, {"gpk": '{"format": "gpk-state/1"}'})
    with pytest.raises(RunError, match="is no state that this version of gpk can resume: delete it"):
        Run.open(tmp_path, CONFIG)
    state.unlink()
    with Run.open(tmp_path, CONFIG) as run:
        write_safetensors(state, {}, {})
        with pytest.raises(RunError, match="is no state that this version of gpk can resume: delete it"):
            run.load_state()
        state.write_bytes(b"")
        with pytest.raises(RunError, match="delete it to start this run over"):
            run.load_state()


def test_a_log_that_somebody_cut(tmp_path: Path) -> None:
    with Run.open(tmp_path, CONFIG) as run:
        run.record("step", {"images": 4})
        run.save_state({}, {"images": 4})
    os.truncate(tmp_path / "log.jsonl", 3)
    with pytest.raises(RunError, match=r"log\.jsonl is shorter than when state\.safetensors was saved: delete both"):
        Run.open(tmp_path, CONFIG)


KILLED = """
import os, signal, sys, time, torch
from pathlib import Path
from gpk_runs.run import Run

folder = Path(sys.argv[1])


def save_for_ever():
    with Run.open(folder, {}) as run:
        saved = run.load_state()
        step = saved[1]["step"] if saved else 0
        while True:
            step += 1
            run.record("step", {"step": step})
            value = float(step)
            run.save_state({"a": torch.full((1 << 18,), value), "b": torch.full((9,), value)}, {"step": step})


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def die_after(step):
    def step_and_die(*arguments):
        step(*arguments)
        die()

    return step_and_die


with Run.open(folder, {}) as run:
    run.record("old", {})
    run.save_state({"a": torch.zeros(9)}, {"name": "old"})
moments = [(os, "fsync", die), (Path, "replace", die), (Path, "replace", die_after(Path.replace))]
for (owner, name, instead), survivor in zip(moments, ["old", "old", "new"]):
    child = os.fork()
    if child == 0:
        with Run.open(folder, {}) as run:
            run.record("new", {})
            setattr(owner, name, instead)
            run.save_state({"a": torch.ones(9)}, {"name": "new"})
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    with Run.open(folder, {}) as run:
        tensors, position = run.load_state()
        assert position == {"name": survivor}, (position, survivor)
        assert tensors["a"].unique().tolist() == [survivor == "new"]
        assert [event["event"] for event in run.read_log()] == ["old", "new"][: 1 + (survivor == "new")]
        assert not list(folder.glob("*.gpk-part"))
with Run.open(folder, {}) as run:
    run.discard_state()

last = 0
for attempt in range(12):
    child = os.fork()
    if child == 0:
        save_for_ever()
    while not (folder / "state.safetensors").exists():
        time.sleep(0.001)
    time.sleep(0.05 + 0.0037 * attempt)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with Run.open(folder, {}) as run:
        tensors, position = run.load_state()
        assert position["step"] >= last, (position, last)
        last = position["step"]
        assert tensors["a"].unique().tolist() == tensors["b"].unique().tolist() == [last], last
        assert [event["step"] for event in run.read_log()] == list(range(1, last + 1))
print(last)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs fork and SIGKILL")
def test_kill_minus_nine_at_any_moment(tmp_path: Path) -> None:
    """Killed in the middle of saving, again and again: the state is a whole one, and the log fits it."""
    told = subprocess.run([sys.executable, "-c", KILLED, tmp_path], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert int(told.stdout) > 12


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "null",
        '{"format": "gpk-state/2", "position": [], "log_bytes": 1, "sha256": ""}',
        '{"format": "gpk-state/2", "position": {}, "log_bytes": "1", "sha256": ""}',
        '{"format": "gpk-state/2", "position": {}, "log_bytes": -1, "sha256": ""}',
    ],
)
def test_a_state_of_other_types(tmp_path: Path, text: str) -> None:
    write_safetensors(tmp_path / "state.safetensors", {}, {"gpk": text})
    with pytest.raises(RunError, match=r"is no state that this|nested deeper"):
        logged_bytes(tmp_path / "state.safetensors")
