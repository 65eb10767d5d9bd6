COPY (SELECT * FROM lineitem ORDER BY l_comment) TO '{output}' (FORMAT parquet)
