SELECT rec.endpoint::VARCHAR AS endpoint, count(*) AS requests, avg(rec.duration_ms::BIGINT) AS mean_ms
FROM logs
WHERE rec.status >= 400
GROUP BY 1
ORDER BY 1
