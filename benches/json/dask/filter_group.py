import json

import dask.bag


def add(total, record):
    return total[0] + 1, total[1] + record["duration_ms"]


def combine(left, right):
    return left[0] + right[0], left[1] + right[1]


records = dask.bag.read_text(str(data / "logs" / "*.jsonl"), blocksize="64MiB").map(json.loads)
failed = records.filter(lambda record: record["status"] >= 400)
groups = failed.foldby("endpoint", add, (0, 0), combine, (0, 0)).compute()
names = ["endpoint", "requests", "mean_ms"]
rows = [(endpoint, count, total / count) for endpoint, (count, total) in sorted(groups)]
