import dask
import dask.dataframe

widening = dask.dataframe.read_csv(str(data / "widening" / "*.csv"))
answers = {
    "n": widening["id"].count(),
    "total": widening["amount"].sum(),
    "codes": widening["code"].nunique(),
    "last_code": widening["code"].max(),
}
(answers,) = dask.compute(answers, scheduler="threads")
names = list(answers)
rows = [tuple(answers.values())]
