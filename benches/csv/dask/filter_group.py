import dask.dataframe

columns = ["endpoint", "status", "duration_ms"]
logs = dask.dataframe.read_csv(str(data / "logs" / "*.csv"), usecols=columns)
failed = logs[logs["status"] >= 400]
groups = failed.groupby("endpoint")["duration_ms"].agg(["count", "mean"])
groups = groups.compute(scheduler="threads")
names = ["endpoint", "requests", "mean_ms"]
rows = sorted(groups.itertuples())
