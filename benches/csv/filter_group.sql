SELECT endpoint, count(*) AS requests, avg(duration_ms) AS mean_ms
FROM logs
WHERE status >= 400
GROUP BY endpoint
ORDER BY endpoint
