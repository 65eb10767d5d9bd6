SELECT count(*) AS requests, sum(id) AS ids, max(called_at) AS latest, min(called_on) AS first_day,
       min(endpoint) AS first_endpoint, sum(status) AS statuses, max(duration_ms) AS longest_ms,
       count(DISTINCT user_id) AS users, sum(price) AS revenue, max(agent) AS last_agent
FROM logs
