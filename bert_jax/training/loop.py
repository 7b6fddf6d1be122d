"""The one way anything is trained: mesh, data, state, step, loop, results."""

import contextlib
import json
from pathlib import Path

import jax
from rich.console import Console

from bert_jax.checkpoint import initial
from bert_jax.checkpoint.runs import CHECKPOINTS
from bert_jax.checkpoint.store import Checkpoints
from bert_jax.config import Config
from bert_jax.data.pipeline import prefetched
from bert_jax.parallel import hosts
from bert_jax.parallel import mesh as meshes
from bert_jax.parallel.devices import peak_of
from bert_jax.remote import Mirror
from bert_jax.training import curves, provenance, reference, run, state, summary
from bert_jax.training.budget import operations
from bert_jax.training.clock import Stopwatch, Window
from bert_jax.training.finetuning import Finetuning
from bert_jax.training.metrics import MetricsWriter, NoWriter, read
from bert_jax.training.pretraining import Pretraining
from bert_jax.training.profiling import profiled
from bert_jax.training.progress import TrainingProgress
from bert_jax.training.signals import stop_requests
from bert_jax.training.step import compile_train_steps
from bert_jax.training.stopping import EarlyStopping


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

    # All that can be known to be wrong is said before any data is prepared, or anything is written.
    mesh = meshes.make_mesh(config.mesh)
    learning = Finetuning if config.task.name else Pretraining
    learning.check(config, mesh)
    reference.bands(config)
    # In a bucket nothing can be appended to or mapped: the run works on a copy, and its checkpoints alone go there.
    mirror = Mirror(workdir, copy=str(jax.process_index()))
    checkpoints_at, workdir = workdir / CHECKPOINTS, mirror.local
    mirror.pull(leave_out=(CHECKPOINTS,))
    config, source = initial.adopt(config, run.read_config(workdir))
    meshes.check_heads(mesh, config.model.num_heads)
    run.check_resume(config, workdir)

    with contextlib.ExitStack() as during:
        during.enter_context(run.locked(workdir))
        checkpoints = during.enter_context(contextlib.closing(
            Checkpoints(checkpoints_at, config.checkpoint.keep, config.checkpoint.keep_every)))
        start = checkpoints.latest_good() or 0
        if (workdir / run.RESULTS).exists() and json.loads((workdir / run.RESULTS).read_text())["step"] == start:
            console.print(f"this run is done, with the parameters of step {start}")
            return json.loads((workdir / run.RESULTS).read_text()) if first_host else None

        if config.init_from and not (source or start):  # a run that was stopped before its first checkpoint
            source = initial.opened(config)
        def prepared():
            if not first_host:
                mirror.pull(leave_out=(CHECKPOINTS,))  # what the first one has made
            made = learning(config, workdir, source, progress=first_host)
            if first_host:
                mirror.push()
            return made

        with clock("data preparation"):
            material = hosts.first_host_first(prepared)
            run.check_data(material.sources, workdir)
        vocabulary = material.vocabulary
        given = config
        with clock("planning"):
            config = material.plan(config, mesh, console)

        during.enter_context(jax.set_mesh(mesh))
        state_shapes = state.state_shapes(config, mesh)
        state_sharding = jax.tree.map(lambda x: x.sharding, state_shapes)
        with clock("compilation"):
            steps = compile_train_steps(config, mesh, state_shapes, material.shapes())
        held_out = material.held_out(state_sharding.params)
        summary.show(console, config, mesh, state_shapes, steps, material)

        with clock("initialisation"):
            if start:
                train_state = state.restore(checkpoints, start, config, vocabulary, mesh)
                console.print(f"goes on from step {start} of {config.train.steps}")
            elif source and config.init_parameters != "none":
                train_state, new = state.state_from(source, config, vocabulary, mesh)
                if config.init_vocabulary == "by_token":
                    new.append("rows of tokens that it does not know")
                console.print(f"starts from {source.path}; " + (
                    f"not there, and so random: {', '.join(new)}" if new else "all parameters are there"),
                    highlight=False, markup=False)
            else:
                if source:
                    console.print(f"starts from scratch, with the architecture and the vocabulary of {source.path}")
                train_state = jax.jit(lambda: state.initial_state(config), out_shardings=state_sharding)()

        if first_host:
            run.begin(given, material.sources, workdir)
            provenance.write(workdir, start, material.manifests)
            mirror.push()
        stop = min(config.train.stop_after or config.train.steps, config.train.steps)
        batches = prefetched(material.batch, start, stop, config.compute.data_threads, config.compute.prefetch)
        writer = during.enter_context(contextlib.closing(
            MetricsWriter(workdir, start, config.log.tensorboard) if first_host else NoWriter()))
        asked_to_stop = during.enter_context(stop_requests(config.train.stop_after_minutes, config.log.every))
        trace = during.enter_context(profiled(
            workdir, config.log.profile_after if first_host else 0, config.log.profile_steps))
        peak = peak_of(mesh.devices.flat[0].device_kind)
        of_step = operations(config, material)
        window, done, asked = Window(peak and peak * mesh.size), start, False
        early = EarlyStopping(config.train.patience, [
            (line["step"], held_out.counted(line)) for line in read(workdir / run.METRICS)
            if line["kind"] == "held_out" and line["step"] <= start])

        compared = reference.watch(given, material.sources, console)

        def due(every: int) -> bool:
            return every > 0 and done % every == 0

        def score() -> dict[str, float]:
            with clock("held-out evaluation"):
                scores = held_out.score(train_state.model)
            writer.write(done, "held_out", scores | compared(done, scores))
            early.add(done, held_out.counted(scores))
            return scores

        with TrainingProgress(start, stop, console) as progress:
            while done < stop and not (asked or early.exhausted):
                with window.waiting():
                    shape, batch = next(batches)
                train_state, metrics = steps[shape](train_state, meshes.to_devices(batch, mesh, shape[0]))
                done += 1
                window.add(metrics, of_step[shape])
                trace(done, metrics)
                progress.step(done)
                asked = asked_to_stop(done)
                last = done == stop or asked
                scored = due(config.evaluate.every) and done < config.train.steps and not asked
                may_end = scored and config.train.patience > 0
                if last or may_end or due(config.log.every):
                    means = window.close()
                    clock.add("training", means["seconds"])
                    writer.write(done, "train", means)
                    progress.metrics(done, means)
                # Scored before it is saved: a resume from the checkpoint would not come back to score.
                if scored:
                    with window.paused():
                        scores = score()
                        progress.held_out(done, scores)
                if last or may_end or due(config.checkpoint.every):
                    with window.paused(), clock("checkpoints"):
                        if first_host:  # before there is a checkpoint that would go on after these lines
                            mirror.push()
                        state.save(checkpoints, train_state, done, config, vocabulary, material.said(),
                                   score=held_out.counted(scores) if may_end else None)

        if done < config.train.steps and not early.exhausted:
            with clock("checkpoints"):
                checkpoints.wait()
            console.print(f"stopped after step {done} of {config.train.steps}; the same command goes on from there")
            return None
        if done == config.train.steps:
            scores = score()
        with clock("checkpoints"):
            checkpoints.wait()
        ended = done
        if config.train.patience and early.best_step != ended:
            done = early.best_step
            console.print(f"step {done} was the best of {ended}: its parameters are kept")
            train_state = state.restore(checkpoints, done, config, vocabulary, mesh)
            checkpoints.drop_after(done)  # or the latest, which all others take, would not be the best
            with clock("held-out evaluation"):
                scores = held_out.score(train_state.model)
        if not first_host:
            return None
        with clock("baselines and plot"):
            baselines = material.baselines()
            held_out.write(workdir / run.PREDICTIONS)
            curves.plot(read(workdir / run.METRICS), baselines, reference.bands(given), workdir / run.CURVES)
        results = scores | material.said() | dict(
            baselines=baselines, step=done, trained_steps=ended, seconds=clock.seconds())
        run.write_json(workdir / run.RESULTS, results)
        mirror.push()
        return results
