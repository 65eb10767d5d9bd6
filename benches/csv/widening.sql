SELECT count(*) AS n, sum(amount) AS total, count(DISTINCT code) AS codes, max(code) AS last_code
FROM widening
