import json

import dask.bag

records = dask.bag.read_text(str(data / "words" / "*.jsonl"), blocksize="64MiB").map(json.loads)
counts = records.pluck("word").frequencies().pluck(1).compute()
names = ["texts", "most"]
rows = [(len(counts), max(counts))]
