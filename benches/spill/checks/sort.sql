SELECT written.steps_back,
    written.row_count - source.row_count AS rows_more,
    written.checksum = source.checksum AS same_rows
FROM (
    SELECT count(*) AS row_count,
        count(*) FILTER (WHERE l_comment < before) AS steps_back,
        bit_xor(hash(
            l_orderkey, l_partkey, l_suppkey, l_linenumber, l_quantity, l_extendedprice,
            l_discount, l_tax, l_returnflag, l_linestatus, l_shipdate, l_commitdate,
            l_receiptdate, l_shipinstruct, l_shipmode, l_comment
        )) AS checksum
    FROM (SELECT *, lag(l_comment) OVER () AS before FROM '{output}') AS followed
) AS written, (
    SELECT count(*) AS row_count,
        bit_xor(hash(
            l_orderkey, l_partkey, l_suppkey, l_linenumber, l_quantity, l_extendedprice,
            l_discount, l_tax, l_returnflag, l_linestatus, l_shipdate, l_commitdate,
            l_receiptdate, l_shipinstruct, l_shipmode, l_comment
        )) AS checksum
    FROM lineitem
) AS source
