"""The one way anything is trained: mesh, data, state, step, loop, results."""

import contextlib
import json
from pathlib import Path

import jax
import numpy as np
from rich.console import Console

from bert_jax import config as configs
from bert_jax.checkpoint import initial
from bert_jax.checkpoint.formats import open_pretrained
from bert_jax.checkpoint.runs import CHECKPOINTS
from bert_jax.checkpoint.store import Checkpoints
from bert_jax.config import Config
from bert_jax.data import preparation
from bert_jax.data.baselines import trivial_scores
from bert_jax.data.pipeline import prefetched
from bert_jax.data.source import PairSource
from bert_jax.data.store import token_counts
from bert_jax.objectives import choose
from bert_jax.parallel import hosts
from bert_jax.parallel import mesh as meshes
from bert_jax.training import curves, provenance, run, state, summary
from bert_jax.training.clock import Stopwatch, Window
from bert_jax.training.held_out import HeldOut, held_out_source, rows_of
from bert_jax.training.metrics import MetricsWriter, NoWriter, read
from bert_jax.training.progress import TrainingProgress
from bert_jax.training.signals import stop_requests
from bert_jax.training.step import make_train_step


def train(config: Config, workdir: Path, console: Console) -> dict | None:
    """Trains to the last step, from the latest good checkpoint if the workdir has one.

    Args:
        config: the recipe.
        workdir: of the run.
        console: for what a person reads; only the first host's is used.

    Returns:
        What `results.json` holds; None if the run was stopped before its end, and on all hosts but the first.

    Raises:
        UserError: the recipe, the data, the devices and the workdir do not fit each other.
    """
    clock = Stopwatch()
    first_host = jax.process_index() == 0
    console = console if first_host else Console(quiet=True)

    # All that can be known to be wrong is said before a corpus is prepared, or anything is written.
    mesh = meshes.make_mesh(config.mesh)
    rows = config.train.batch_size
    choose(config.objectives)
    meshes.check_rows(mesh, rows, "train.batch_size")
    meshes.check_rows(mesh, rows_of(config), "evaluate.batch_size")
    meshes.check_parts(mesh, rows, config.train.replicas * config.train.accumulation)
    config = initial.adopt(config, run.read_config(workdir))
    meshes.check_heads(mesh, config.model.num_heads)
    run.check_resume(config, workdir)

    with contextlib.ExitStack() as during:
        during.enter_context(run.locked(workdir))
        checkpoints = during.enter_context(contextlib.closing(
            Checkpoints(workdir / CHECKPOINTS, config.checkpoint.keep, config.checkpoint.keep_every)))
        start = checkpoints.latest_good() or 0
        if start == config.train.steps and (workdir / run.RESULTS).exists():
            console.print(f"this run is done: all {start} steps are trained")
            return json.loads((workdir / run.RESULTS).read_text()) if first_host else None

        begins_from = open_pretrained(Path(config.init_from)) if config.init_from and not start else None
        with clock("data preparation"):
            vocabulary, train_store, held_out_store = hosts.first_host_first(
                lambda: preparation.open_or_make(config, workdir, begins_from, progress=first_host))
            stores = dict(train=train_store, held_out=held_out_store)
            run.check_data(stores, workdir)
        if first_host:
            run.begin(config, stores, workdir)
            provenance.write(workdir, start, stores)
        config = configs.with_vocabulary(config, len(vocabulary))
        with clock("planning"):
            source = PairSource(train_store, vocabulary, config)
            scored = held_out_source(held_out_store, train_store, vocabulary, config, console)

        during.enter_context(jax.set_mesh(mesh))
        state_shapes = state.state_shapes(config, mesh)
        state_sharding = jax.tree.map(lambda x: x.sharding, state_shapes)
        row_sharding, whole = meshes.row_sharding(mesh), meshes.replicated(mesh)
        batch_shapes = {
            name: jax.ShapeDtypeStruct((rows, *x.shape[1:]), x.dtype, sharding=row_sharding)
            for name, x in source.batch(np.zeros(1, int)).items()
        }
        with clock("compilation"):
            step = jax.jit(
                make_train_step(config),
                in_shardings=(state_sharding, row_sharding),
                out_shardings=(state_sharding, whole),
                donate_argnums=0,
            ).lower(state_shapes, batch_shapes).compile()
        held_out = HeldOut(scored, config, mesh, state_sharding.params)
        summary.show(console, config, mesh, state_shapes, step, len(source), held_out.examples, len(train_store.tokens))

        with clock("initialisation"):
            if start:
                train_state = state.restore(checkpoints, start, config, vocabulary, mesh)
                console.print(f"goes on from step {start} of {config.train.steps}")
            elif begins_from:
                train_state, new = state.state_from(begins_from, config, vocabulary, mesh)
                console.print(f"starts from {begins_from.path}; " + (
                    f"not there, and so random: {', '.join(new)}" if new else "all parameters are there"),
                    highlight=False, markup=False)
            else:
                train_state = jax.jit(lambda: state.initial_state(config), out_shardings=state_sharding)()

        host_rows = meshes.host_rows(mesh, rows)
        stop = min(config.train.stop_after or config.train.steps, config.train.steps)
        batches = prefetched(lambda n: source.batch(n * rows + host_rows), start, stop,
                             config.compute.data_threads, config.compute.prefetch)
        writer = during.enter_context(contextlib.closing(
            MetricsWriter(workdir, start, config.log.tensorboard) if first_host else NoWriter()))
        asked_to_stop = during.enter_context(stop_requests())
        window, done, asked = Window(rows), start, False

        def due(every: int) -> bool:
            return every > 0 and done % every == 0

        def score() -> dict[str, float]:
            with clock("held-out evaluation"):
                scores = held_out.score(train_state.params)
            writer.write(done, "held_out", scores)
            return scores

        with TrainingProgress(start, stop, console) as progress:
            while done < stop and not asked:
                with window.waiting():
                    batch = next(batches)
                train_state, metrics = step(train_state, meshes.to_devices(batch, mesh, rows))
                done += 1
                window.add(metrics)
                progress.step(done)
                asked = asked_to_stop(done)
                last = done == stop or asked
                if last or due(config.log.every):
                    means = window.close()
                    clock.add("training", means["seconds"])
                    writer.write(done, "train", means)
                    progress.metrics(done, means)
                # Scored before it is saved: a resume from the checkpoint would not come back to score.
                if due(config.evaluate.every) and done < config.train.steps and not asked:
                    with window.paused():
                        progress.held_out(done, score())
                if last or due(config.checkpoint.every):
                    with window.paused(), clock("checkpoints"):
                        state.save(checkpoints, train_state, done, config, vocabulary)

        if done < config.train.steps:
            with clock("checkpoints"):
                checkpoints.wait()
            console.print(f"stopped after step {done} of {config.train.steps}; the same command goes on from there")
            return None
        scores = score()
        with clock("checkpoints"):
            checkpoints.wait()
        if not first_host:
            return None
        with clock("baselines and plot"):
            baselines = trivial_scores(held_out.batches(), token_counts(train_store))
            curves.plot(read(workdir / run.METRICS), baselines, workdir / run.CURVES)
        results = scores | dict(baselines=baselines, step=done, seconds=clock.seconds())
        run.write_json(workdir / run.RESULTS, results)
        return results
