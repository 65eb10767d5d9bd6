SELECT count(*) AS pairs
FROM lineitem AS a JOIN lineitem AS b
    ON a.l_partkey = b.l_partkey AND a.l_suppkey = b.l_suppkey AND a.l_orderkey < b.l_orderkey
