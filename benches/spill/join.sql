SELECT count(*) AS pairs
FROM lineitem JOIN orders ON l_orderkey = o_orderkey
WHERE l_comment < o_comment
