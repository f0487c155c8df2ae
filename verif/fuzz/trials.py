"""Fuzzing of the files of failed trials, which `signum soak --replay` reads."""

import json
import random
from pathlib import Path

from signum.verif.bench.trials import TrialError, draw_trials, load_trial, save_trial

from .mutate import mutate_bytes, mutate_tree
from .target import ACCEPTED, Feed, Target, refused_by

__all__ = ["TRIALS"]

LARGEST = 30_000


def prepare(folder: Path) -> Feed:
    path = folder / "failure.json"
    valid: list[str] = []
    for index in range(30):
        for trial in draw_trials(1, index, 1):
            save_trial(path, trial)
            if len(text := path.read_text()) < LARGEST:
                valid.append(text)

    def feed(rng: random.Random) -> str:
        text = rng.choice(valid)
        if rng.random() < 0.3:
            path.write_bytes(mutate_bytes(rng, text.encode()))
        else:
            try:
                path.write_text(json.dumps(mutate_tree(rng, json.loads(text))), errors="surrogatepass")
            except ValueError:
                path.write_text("[" * 100_000)
        try:
            load_trial(path)
        except TrialError as error:
            return refused_by(error)
        return ACCEPTED

    return feed


TRIALS = Target("trials", prepare, 2_000, "a trial is compiled before it is accepted")
