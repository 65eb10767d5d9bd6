SELECT count(*) AS texts, max(n) AS most
FROM (SELECT word, count(*) AS n FROM words GROUP BY word) AS counted
