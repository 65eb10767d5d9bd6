SELECT count(DISTINCT l_comment) AS comments FROM lineitem
