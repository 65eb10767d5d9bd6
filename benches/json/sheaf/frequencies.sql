SELECT count(*) AS texts, max(n) AS most
FROM (SELECT rec.word::VARCHAR AS word, count(*) AS n FROM words GROUP BY 1) AS counted
