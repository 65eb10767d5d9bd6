SELECT count(*) AS requests FROM logs
