"""Keys that had other names: older versions' files are read, recipes that use them are refused."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bert_jax.config.keys import nested

Values = Mapping[str, Any]  # by dotted names


@dataclass(frozen=True)
class Renamed:
    """New name of a key, with the new meaning of its values.

    Attributes:
        new: name of the key today.
        value: returns the value of today's key, given the value of the old one.
        counts: returns True if the old key had an effect, given all other values; otherwise it is
            left out.
        also: further keys that the old one implies, by today's names, with their values.
    """

    new: str
    value: Callable[[Any], Any] = lambda value: value
    counts: Callable[[Values], bool] = lambda values: True
    also: Mapping[str, Any] = field(default_factory=dict)


def _spans(values: Values) -> bool:
    return values.get("masking.span_p", 0) > 0


def _whole_words(values: Values) -> bool:
    return values.get("masking.whole_word", False) and not _spans(values)


def _lamb(values: Values) -> bool:
    return values.get("optimizer.name") == "lamb"


RENAMED = {
    "masking.whole_word": Renamed("masking.scheme", lambda _: "whole_words", _whole_words),
    "masking.span_p": Renamed("masking.spans.p", counts=_spans, also={"masking.scheme": "spans"}),
    "masking.span_longest": Renamed("masking.spans.longest", counts=_spans),
    "optimizer.trust_exclude": Renamed("optimizer.lamb.trust_exclude", counts=_lamb),
    "model.features": Renamed("probe.features"),
    "model.lstm_layers": Renamed("probe.lstm_layers"),
    "model.lstm_size": Renamed("probe.lstm_size"),
    "log.tensorboard": Renamed("log.sinks", lambda on: ("tensorboard",) if on else ()),
}

# Keys that had no effect at the only value that they could have.
REMOVED = {"mesh.context": 1, "mesh.member": 1}


def updated_flat(values: Values) -> dict[str, Any]:
    """Returns values that an older version wrote, by dotted names, under today's names."""
    kept = {
        name: value
        for name, value in values.items()
        if name not in RENAMED and not (name in REMOVED and value == REMOVED[name])
    }
    for name, renamed in RENAMED.items():
        if name in values and renamed.counts(values):
            kept |= {renamed.new: renamed.value(values[name])} | dict(renamed.also)
    return kept


def updated(values: Values) -> dict[str, Any]:
    """Returns nested values that an older version wrote, under today's names."""
    return nested(updated_flat(_flattened(values)))


def updated_about(about: Values) -> dict[str, Any]:
    """Returns the description in a checkpoint of an older version, under today's names."""
    model = about.get("model")
    if not isinstance(model, Mapping):
        return dict(about)
    return dict(about) | updated({"model": model})


def _flattened(values: Values, prefix: str = "") -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            result |= _flattened(value, f"{prefix}{name}.")
        else:
            result[prefix + name] = value
    return result
