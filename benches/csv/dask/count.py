import dask.dataframe

logs = dask.dataframe.read_csv(str(data / "logs" / "*.csv"))
names = ["requests"]
rows = [(logs.map_partitions(len).compute(scheduler="threads").sum(),)]
