import dask
import dask.dataframe

logs = dask.dataframe.read_csv(
    str(data / "logs" / "*.csv"), parse_dates=["called_at", "called_on"]
)
answers = {
    "requests": logs["id"].count(),
    "ids": logs["id"].sum(),
    "latest": logs["called_at"].max(),
    "first_day": logs["called_on"].min(),
    "first_endpoint": logs["endpoint"].min(),
    "statuses": logs["status"].sum(),
    "longest_ms": logs["duration_ms"].max(),
    "users": logs["user_id"].nunique(),
    "revenue": logs["price"].sum(),
    "last_agent": logs["agent"].max(),
}
(answers,) = dask.compute(answers, scheduler="threads")
answers["first_day"] = answers["first_day"].date()
names = list(answers)
rows = [tuple(answers.values())]
