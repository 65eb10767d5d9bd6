SELECT count(*) AS lines, sum(place) AS places, max(place) AS place_max,
    sum(l_orderkey) FILTER (WHERE place = 1) AS first_orders
FROM (
    SELECT l_orderkey,
        row_number() OVER (
            PARTITION BY l_suppkey ORDER BY l_extendedprice, l_orderkey, l_linenumber
        ) AS place
    FROM lineitem
) AS numbered
