"""One run on one host and on several, all with the same mesh: losses, and the work of each host.

    python -m benchmarks.hosts --data_dir DIR --corpus NAME [--hosts 1 2 4] [--steps 40]

Hosts are processes on this machine, joined by loopback, with four CPU devices among them. For each
number of hosts, the table has the largest difference of a step's loss from that on one host, and
the maximum over hosts of: rows that it prepared (including held-out ones), tokens that it read from
the store for them, the size of their arrays, and its peak memory.
"""

import argparse
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

DEVICES = 4


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.hosts",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data_dir", required=True, help="TFDS data directory, see `python -m bert_jax prepare`"
    )
    parser.add_argument("--corpus", required=True, help="name of a corpus in that directory")
    parser.add_argument(
        "--hosts",
        type=int,
        nargs="+",
        choices=(1, 2, 4),
        default=[1, 2, 4],
        metavar="N",
        help="numbers of hosts",
    )
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--as_host", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.as_host:
        _be_a_host(args, Path(args.as_host[0]), int(args.as_host[1]), int(args.as_host[2]))
        return

    from rich.console import Console
    from rich.table import Table

    table = Table(
        "hosts", "losses apart", "rows a host", "tokens read", "arrays made", "peak memory"
    )
    losses = {}
    with tempfile.TemporaryDirectory() as directory:
        for hosts in sorted({1, *args.hosts}):
            reports = _run(args, Path(directory), hosts)
            metrics = [
                json.loads(line) for line in (Path(directory) / str(hosts) / "metrics.jsonl").open()
            ]
            losses[hosts] = [line["loss"] for line in metrics if line["kind"] == "train"]
            apart = max(abs(a - b) for a, b in zip(losses[1], losses[hosts], strict=True))
            most = {name: max(report[name] for report in reports) for name in reports[0]}
            table.add_row(
                str(hosts),
                f"{apart:.1e}",
                f"{most['rows']:,}",
                f"{most['tokens']:,}",
                *(f"{most[name] / 1e6:,.1f} MB" for name in ("arrays", "peak")),
            )
    Console().print(table)


def _run(args: argparse.Namespace, directory: Path, hosts: int) -> list[dict]:
    """Runs on so many hosts and returns the report of each."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={DEVICES // hosts}",
        "JAX_PLATFORMS": "cpu",
    }
    processes = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "benchmarks.hosts",
                f"--data_dir={args.data_dir}",
                f"--corpus={args.corpus}",
                f"--hosts={hosts}",
                f"--steps={args.steps}",
                "--as_host",
                str(directory),
                str(port),
                str(i),
            ],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(hosts)
    ]
    outputs = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit(f"a host of {hosts} failed")
    return [json.loads(output.splitlines()[-1]) for output in outputs]


def _be_a_host(args: argparse.Namespace, directory: Path, port: int, index: int) -> None:
    from rich.console import Console

    from bert_jax import config as configs
    from bert_jax.cli.arguments import load_recipe
    from bert_jax.parallel import hosts
    from bert_jax.pretraining.source import PairSource
    from bert_jax.training.loop import train

    count = args.hosts[0]
    if count > 1:
        hosts.join(False, f"localhost:{port}", count, index)
    recipe = load_recipe("configs/demo.py")
    recipe.corpus.update(name=args.corpus, data_dir=args.data_dir)
    recipe.store.dir = str(directory / "store")
    recipe.tokenizer.vocab_file = str(directory / "1" / "vocab.txt") if count > 1 else ""
    recipe.train.update(steps=args.steps, batch_size=64)
    recipe.optimizer.warmup_steps = args.steps // 4
    recipe.log.update(every=1, sinks=())
    recipe.evaluate.update(every=0, max_examples=64)
    recipe.checkpoint.every = 0
    seen = dict(rows=0, tokens=0, arrays=0)
    prepare = PairSource.batch

    def counting(self, examples, rate=None):
        batch = prepare(self, examples, rate)
        seen["rows"] += len(examples)
        seen["arrays"] += sum(x.nbytes for x in batch.values())
        seen["tokens"] += int(batch["segment_ids"].sum())
        return batch

    PairSource.batch = counting
    train(configs.resolve(recipe), directory / str(count), Console(quiet=True))
    print(json.dumps(seen | dict(peak=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)))


if __name__ == "__main__":
    main()
