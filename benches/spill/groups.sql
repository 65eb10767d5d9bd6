SELECT count(*) AS groups, sum(line_count) AS lines, max(quantity) AS quantity_max
FROM (
    SELECT l_orderkey, l_partkey, l_suppkey, count(*) AS line_count, sum(l_quantity) AS quantity
    FROM lineitem
    GROUP BY l_orderkey, l_partkey, l_suppkey
) AS line_groups
