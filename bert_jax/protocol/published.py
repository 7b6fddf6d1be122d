"""Published scores, to stand beside ours: of GLUE's test sets, as gluebenchmark.com scores them,
and of the development sets of the paper's other tasks."""

_BERT = "Devlin et al. (2018), table 1"
_SMALL = "google-research/bert's README, models of Turc et al. (2019)"

# By model its source, and by task the metric of the BERT paper's table 1: F1 of MRPC and QQP,
# Spearman of STS-B, Matthews of CoLA, accuracy of the rest; of MNLI the matched set.
TEST_SCORES = {
    "BERT-tiny": (
        _SMALL,
        dict(
            cola=0.0,
            sst2=83.2,
            mrpc=81.1,
            stsb=73.6,
            qqp=62.2,
            mnli=70.2,
            qnli=81.5,
            rte=57.2,
            wnli=62.3,
        ),
    ),
    "BERT-mini": (
        _SMALL,
        dict(
            cola=0.0,
            sst2=85.9,
            mrpc=81.1,
            stsb=73.3,
            qqp=66.4,
            mnli=74.8,
            qnli=84.1,
            rte=57.9,
            wnli=62.3,
        ),
    ),
    "BERT-small": (
        _SMALL,
        dict(
            cola=27.8,
            sst2=89.7,
            mrpc=83.4,
            stsb=77.0,
            qqp=68.1,
            mnli=77.6,
            qnli=86.4,
            rte=61.8,
            wnli=62.3,
        ),
    ),
    "BERT-medium": (
        _SMALL,
        dict(
            cola=38.0,
            sst2=89.6,
            mrpc=86.6,
            stsb=78.4,
            qqp=69.6,
            mnli=80.0,
            qnli=87.7,
            rte=62.2,
            wnli=62.3,
        ),
    ),
    "BERT-base": (
        _BERT,
        dict(cola=52.1, sst2=93.5, mrpc=88.9, stsb=85.8, qqp=71.2, mnli=84.6, qnli=90.5, rte=66.4),
    ),
    "BERT-large": (
        _BERT,
        dict(cola=60.5, sst2=94.9, mrpc=89.3, stsb=86.5, qqp=72.1, mnli=86.7, qnli=92.7, rte=70.1),
    ),
}

_SQUAD_1 = (
    "Devlin et al. (2018), table 2",
    {
        "BERT-base": dict(f1=88.5, exact=80.8),
        "BERT-large": dict(f1=90.9, exact=84.1),
        "BERT-large after TriviaQA": dict(f1=91.1, exact=84.2),
    },
)
_SQUAD_2 = "Devlin et al. (2018), table 3", {"BERT-large": dict(best_f1=81.9, best_exact=78.7)}
_CONLL = (
    "Devlin et al. (2018), table 7, five runs",
    {
        name: dict(entity_f1=f1)
        for name, f1 in {
            "BERT-base": 96.4,
            "BERT-large": 96.6,
            "features-embeddings": 91.0,
            "features-second_to_last": 95.6,
            "features-last": 94.9,
            "features-weighted_last_four": 95.9,
            "features-concat_last_four": 96.1,
            "features-weighted_all": 95.5,
        }.items()
    },
)
_SWAG = (
    "Devlin et al. (2018), table 4",
    {"BERT-base": dict(accuracy=81.6), "BERT-large": dict(accuracy=86.6)},
)

# By data set, as TFDS or our documentation calls it, the source, and by model the metrics, the same
# of all.
DEVELOPMENT_SCORES = {
    "squad/v1.1": _SQUAD_1,
    "squad1": _SQUAD_1,
    "squad/v2.0": _SQUAD_2,
    "squad2": _SQUAD_2,
    "conll2003": _CONLL,
    "swag": _SWAG,
}
