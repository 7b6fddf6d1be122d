"""Makes the golden runs, with the code that is to be remembered:

    git worktree add ../old 440a883
    cp -r tests/golden_runs ../old/tests/ && cd ../old
    JAX_PLATFORMS=cpu python -m tests.golden_runs.make OUTPUT

Each run is killed once its checkpoint of step 10 is written, and archived as it lies there. In a
copy it goes on to step 15; `expected.json` has the losses of these five steps, the last scores on
held-out data, and digests of the arrays of the checkpoint.
"""

import hashlib
import json
import random
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp

from tests.golden_runs.recipe import SAVED, STEPS
from tests.made_tasks import LETTERS, rows, squad_file

HERE = Path(__file__).parent
KINDS = ("pretraining", "classification", "tagging", "span")
SPLITS = (("train", 64), ("validation", 24))


def main(output: Path) -> None:
    output.mkdir(parents=True)
    make_data(output / "data")
    expected = {kind: golden_run(output, kind) for kind in KINDS}
    for name in ("data", *KINDS):
        with tarfile.open(output / f"{name}.tar.xz", "w:xz") as archive:
            archive.add(output / name, arcname=name, filter=anonymous)
    (output / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


def make_data(data: Path) -> None:
    """Prepares a corpus and labelled data sets of letters, by the commands of that time."""
    shutil.copytree(HERE.parent / "golden" / "bert", data / "bert")
    raw = data / "raw"
    raw.mkdir()
    draw = random.Random(0)
    documents = [
        "\n".join(" ".join(draw.choices(LETTERS, k=draw.randint(4, 10))) + "." for _ in range(12))
        for _ in range(40)
    ]
    (raw / "corpus.txt").write_text("\n\n".join(documents) + "\n")
    options = ["--format=sentences", "--held_out=0.2", "--name=corpus", f"--data_dir={data}"]
    prepare("text", "--input", raw / "corpus.txt", *options)
    for kind in ("classification", "tagging"):
        options = []
        for seed, (split, count) in enumerate(SPLITS):
            path = raw / f"{kind}-{split}.jsonl"
            path.write_text("".join(json.dumps(row) + "\n" for row in rows(kind, count, seed)))
            options += [f"--{split}", path]
        prepare("task", *options, f"--kind={kind}", f"--name={kind}", f"--data_dir={data}")
    options = []
    for seed, (split, count) in enumerate(SPLITS):
        path = raw / f"span-{split}.json"
        path.write_text(json.dumps(squad_file("span", count, seed)))
        options += [f"--{split}", path]
    prepare("squad", *options, "--name=span", f"--data_dir={data}")
    shutil.rmtree(raw)


def prepare(*options: object) -> None:
    subprocess.run([sys.executable, "-m", "bert_jax", "prepare", *map(str, options)], check=True)


def golden_run(output: Path, kind: str) -> dict:
    """Runs up to the checkpoint, and in a copy to the end; returns what is expected of the copy."""
    workdir = output / kind
    process = train(output, kind, kind)
    while not (workdir / "checkpoints" / str(SAVED)).exists():
        assert process.poll() is None, f"{kind} ended before its checkpoint"
        time.sleep(0.001)
    process.kill()
    process.wait()
    for rubbish in (workdir / "checkpoints").glob(f"{STEPS}*"):
        shutil.rmtree(rubbish)
    shutil.copytree(workdir, output / "copy")
    assert train(output, kind, "copy").wait() == 0
    lines = (output / "copy" / "metrics.jsonl").read_text().splitlines()
    metrics = [json.loads(line) for line in lines]
    shutil.rmtree(output / "copy")
    return dict(
        losses=[m["loss"] for m in metrics if m["kind"] == "train" and m["step"] > SAVED],
        held_out=[m for m in metrics if m["kind"] == "held_out"][-1],
        arrays=digests(workdir / "checkpoints" / str(SAVED)),
    )


def train(output: Path, kind: str, workdir: str) -> subprocess.Popen:
    options = [f"--config={HERE / 'recipe.py'}:{kind}", f"--workdir={workdir}"]
    program = [sys.executable, str(HERE.parents[1] / "train.py"), *options]
    return subprocess.Popen([*program, "--config.log.tensorboard=False"], cwd=output)


def digests(checkpoint: Path) -> dict[str, str]:
    """Returns a digest of the parameters, and one of the optimiser's state."""
    restore = ocp.PyTreeCheckpointer().restore
    return {item: digest(restore(checkpoint / item)) for item in ("params", "optimizer")}


def digest(tree: dict | tuple) -> str:
    """Returns a SHA-256 over all arrays of a tree, with their paths."""
    result = hashlib.sha256()
    leaves = [
        ("/".join(map(_name, path)), np.asarray(array))
        for path, array in jax.tree_util.tree_leaves_with_path(tree)
    ]
    for path, array in sorted(leaves, key=lambda leaf: leaf[0]):
        result.update(f"{path} {array.dtype} {array.shape} ".encode() + array.tobytes())
    return result.hexdigest()


def _name(key: object) -> str:
    """Returns a step of a path as Orbax names it: `mu` of `.mu`, `0` of `[0]`."""
    return str(key).strip(".[]'")


def anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    return info


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
