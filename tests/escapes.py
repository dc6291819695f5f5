"""What people might try to make a query do that is no question to the store."""

from obra.shared.errors import ObraError

ESCAPES = [
    *"""\
SELECT * FROM read_csv('/etc/passwd')
SELECT * FROM read_text('/etc/passwd')
FROM '/etc/passwd'
FROM read_blob('/etc/passwd')
FROM glob('/*')
FROM sniff_csv('/etc/passwd')
FROM read_parquet('/x')
FROM parquet_metadata('/x')
FROM read_json_auto('/x')
FROM read_duckdb('/x')
COPY event TO '/tmp/x'
COPY (SELECT 1) TO '/tmp/x'
EXPORT DATABASE '/tmp/x'
ATTACH '/tmp/x.db'
INSTALL httpfs
LOAD httpfs
PRAGMA version
PRAGMA database_list
SET threads = 1
SET VARIABLE as_of = 1
RESET threads
USE main
CREATE TABLE x (i INT)
CREATE TEMP TABLE x AS SELECT 1
CREATE MACRO m() AS 1
INSERT INTO sink VALUES (1, 1, '')
DELETE FROM event
UPDATE event SET task = 'x'
DROP TABLE event
ALTER TABLE event ADD COLUMN x INT
SELECT 1; DELETE FROM event
SELECT 1; SELECT 2
EXPLAIN ANALYZE DELETE FROM event
EXPLAIN INSERT INTO sink VALUES (9)
SELECT getenv('HOME')
FROM query('SELECT 1')
FROM query_table('event')
FROM duckdb_secrets()
SELECT current_setting('secret_directory')
FROM duckdb_settings()
CALL pragma_version()
CHECKPOINT
VACUUM
FROM checkpoint()
FROM force_checkpoint('x')
FROM enable_logging()
FROM truncate_duckdb_logs()
SELECT write_log('x')
SELECT pg_sleep(100)
SELECT "SLEEP_MS"(100)
FROM arrow_scan(1, 2, 3)
FROM pandas_scan(1)
FROM python_map_function(1)
FROM seq_scan('event')
SELECT nextval('x')
FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))
PREPARE x AS SELECT 1
EXECUTE x
BEGIN
COMMIT
ROLLBACK
SELECT * FROM (FROM read_csv('/etc/passwd'))
PIVOT event ON type USING count(*)
WITH x AS (FROM glob('/*')) FROM x
SELECT (SELECT content FROM read_text('/etc/passwd'))
;
-- nothing
SELECT 1 FROM event WHERE task IN (SELECT * FROM read_text('/x'))
FROM 'https://example.org/x.parquet'
FROM read_parquet('s3://bucket/x')
FROM '/proc/self/environ'
FROM parquet_schema('/x')
FROM duckdb_logs()
FROM duckdb_extensions()
FROM duckdb_databases()
FROM which_secret('x', 's3')
FROM pragma_storage_info('event')
FROM json_tree('[]')
DETACH obra
IMPORT DATABASE '/tmp/x'
UPDATE EXTENSIONS
SET lock_configuration = false
SET enable_external_access = true
COPY FROM DATABASE a TO b
CREATE SECRET x (TYPE s3)
SELECT setval('x', 1)
SELECT setseed(0.5)
SELECT json_serialize_plan('SELECT 1')
SELECT main.getenv('HOME')
SELECT system.main.getenv('HOME')
SELECT list_transform(['HOME'], lambda x: getenv(x))
SELECT count(*) FILTER (getenv('HOME') IS NOT NULL) FROM event
SELECT 1 ORDER BY getenv('HOME')
SELECT 1 LIMIT (SELECT length(getenv('HOME')))
SELECT CASE WHEN true THEN current_setting('memory_limit') END
FROM event e, LATERAL (SELECT content FROM read_text(e.task))
SELECT * FROM event POSITIONAL JOIN read_csv('/etc/passwd')
SELECT columns(*) FROM (SUMMARIZE FROM '/etc/passwd')
DESCRIBE FROM '/etc/passwd'
SUMMARIZE '/etc/passwd'
EXPLAIN FROM read_text('/etc/passwd')
SELECT (repeat('[', 9999) || repeat(']', 9999))::JSON::VARIANT
SELECT TRY_CAST(decode(raw)::JSON AS VARIANT) FROM event
SELECT x::VARIANT FROM (SELECT decode(raw)::JSON AS x FROM event)
SELECT ['[]'::JSON]::VARIANT[]
SELECT lag(body, 1, CASE WHEN NULL THEN NULL ELSE TRY_CAST(body_json AS JSON) END) OVER () FROM event
SELECT cast_to_type('[]'::JSON, body) FROM event
SELECT lag(body, 1, (repeat('[', 9999) || repeat(']', 9999))::JSON) OVER () FROM event
SELECT first_value(x) OVER () FROM (SELECT lead(body, 1, decode(raw)::JSON) OVER () AS x FROM event)
SELECT list_resize([body], 3, (repeat('[', 9999) || repeat(']', 9999))::JSON) FROM event
SELECT union_value(k := body) = union_value(k := (repeat('[', 9999) || repeat(']', 9999))::JSON) FROM event
SELECT x::VARIANT[] FROM (SELECT [(repeat('[', 9999) || repeat(']', 9999))::JSON] AS x)
SELECT list_zip([body], [(repeat('[', 9999) || repeat(']', 9999))::JSON]) = list_zip([body], [body]) FROM event
WITH RECURSIVE r AS (SELECT body AS j, 0 AS n FROM event UNION ALL SELECT '[]'::JSON, 1 FROM r) SELECT n FROM r
WITH RECURSIVE r AS (SELECT body AS j, 0 AS n FROM event UNION ALL SELECT [j], n + 1 FROM r) SELECT count(j) FROM r
WITH RECURSIVE r USING KEY (n) AS (SELECT body AS j, 0 AS n FROM event UNION SELECT '1'::JSON, n + 1 FROM r) FROM r
SELECT lag(body, 1, x) OVER () FROM history, (SELECT lag(numbers, 1, repeat('[', 99)) OVER () AS x FROM decision)
EXPLAIN SELECT lag(body, 1, '[]'::JSON) OVER () FROM event
SELECT coalesce(body, json(COLUMNS('y_j'))) FROM event, (SELECT COLUMNS('(.+)') AS 'body_\\1' FROM (SELECT '[]' json))
SELECT coalesce(body, json(#2)) FROM (SELECT body, service FROM event)
SELECT coalesce(body, json(COLUMNS('_j'))) FROM event, (PIVOT (SELECT 'body' k) ON k IN ('body') USING first(k) AS json)
FROM pg_catalog.pg_settings
SELECT setting FROM "PG_SETTINGS" WHERE name = 'temp_directory'
WITH x AS (SELECT * FROM (FROM pg_settings)) FROM x
FROM pg_prepared_statements
FROM pragma_database_list
FROM duckdb_databases
FROM duckdb_logs
FROM duckdb_variables()
FROM duckdb_secret_types()
FROM duckdb_temporary_files()
FROM duckdb_memory()
FROM "/etc/passwd"
FROM "/etc/passwd.csv" t
FROM E'/etc/passwd'
FROM $$/etc/passwd$$
FROM U&"\\002Fetc\\002Fpasswd"
FROM 'file:///etc/passwd'
FROM "obra"."main"."/etc/passwd"
FROM ['/etc/passwd', '/etc/hosts']
TABLE "/etc/passwd"
FROM path
SELECT * FROM locals
SHOW TABLES FROM '/etc/passwd.db'
DESCRIBE '/etc/passwd'
FROM read_text(['/etc/passwd'])
FROM main.read_text('/etc/passwd')
FROM "read_text"('/etc/passwd')
SELECT ('/etc/passwd').read_text()
SELECT 'HOME'.getenv()
SELECT invoke(lambda x: getenv(x), 'HOME')
SELECT apply(['HOME'], getenv)
SELECT list_transform(['x'], lambda x: getvariable(x))
UNPIVOT (FROM '/etc/passwd') ON COLUMNS(*)
PIVOT read_csv('/etc/passwd') ON column0
MERGE INTO sink USING (SELECT 1) x ON true WHEN MATCHED THEN DELETE
WITH x AS (DELETE FROM event RETURNING 1) FROM x
FROM (INSERT INTO sink VALUES (1, 1, '') RETURNING *)
COMMENT ON TABLE event IS 'x'
TRUNCATE event
CREATE OR REPLACE VIEW task AS SELECT 1
SET VARIABLE storing = false
SELECT 1 FROM event FOR UPDATE
EXPLAIN (FORMAT json) COPY event TO '/tmp/x'
EXPLAIN EXPLAIN SELECT 1
SELECT bar(1, 0, 1, 2000000000)
SELECT to_base(1, 2, 2000000000)
SELECT factorial(1000000)
FROM test_all_types()
FROM repeat_row(1, num_rows := 1000000000000)
FROM storage_info('event')
""".splitlines(),
    "SELECT " + "(" * 5_000 + "1" + ")" * 5_000,
    "SELECT * FROM " + "(SELECT * FROM " * 800 + "event" + ")" * 800,
    "", ";", "-- nothing", "SELECT '\0'",
]  # fmt: skip

UNSTOPPABLE = """\
SELECT json_contains(repeat('[', 100000), '1')
SELECT repeat('x', 4000000000)
SELECT range(1000000000)
SELECT range(position * 1000000) FROM event
SELECT list_resize([1], 2000000000, 0)
SELECT array_agg(position) OVER () FROM event
SELECT levenshtein(repeat('ab', 400000), repeat('b', 400000))
SELECT length(replace(repeat('ab', 400000), 'a', repeat('x', 1000000)))
SELECT regexp_replace(repeat('ab', 400000), '', repeat('x', 1000), 'g')
SELECT string_agg(range::VARCHAR, repeat('x', 1000000)) FROM range(1000000)
SELECT list_aggregate(range(1000000), 'string_agg', repeat('x', 1000000))
SELECT format('{:>2000000000}', 1)
SELECT printf('%2000000000d', 1)
SELECT format(task, 1) FROM task
SELECT bitstring('1', 2000000000)
SELECT length(repeat(repeat('x', 1000000), 1000000))
SELECT editdist3(repeat('a', 100000), repeat('b', 100000))
SELECT list_transform(range(position), lambda x: x) FROM event
SELECT repeat(range::VARCHAR, 10000) FROM range(2048)
SELECT repeat(repeat('x', 10000), 10000)
SELECT repeat('x', 10001)
SELECT repeat('xy', 5001)
SELECT 'x'.repeat(20000)
SELECT main.repeat('x', 20000)
SELECT system.main.repeat('x', 20000)
SELECT repeat('x', -1)
SELECT repeat('x', '9e9')
SELECT range(10001)
SELECT range(-1000000, 0)
SELECT generate_series(0, position::BIGINT) FROM event
SELECT lpad(task, 20000, 'x') FROM task
SELECT list_transform(range(9), lambda x: range(9))
SELECT list_transform(range(9), lambda x: list_transform(range(9), lambda y: x * y))
SELECT [[x * y for y in [1]] for x in [1]]
SELECT list_filter([1], lambda x: length(repeat('x', 9)) = x)
SELECT list_reduce([1, 2], lambda a, b: a + list_sum(list_transform([b], lambda c: c)))
SELECT list_aggregate(range(9), 'histogram')
SELECT list_aggr(range(9), 'HISTOGRAM_exact')
SELECT list_aggregate(range(9), 'histo' || 'gram')
SELECT list_histogram(range(9))
SELECT task LIKE text FROM task
SELECT task NOT LIKE '%' || text || '_' FROM task
SELECT task ILIKE concat('%', text) FROM task
SELECT task GLOB text FROM task
SELECT "~~"(task, text) FROM task
SELECT main."!~~*"(task, text) FROM task
SELECT like_escape(task, text, '!') FROM task
SELECT not_ilike_escape(task, text, '!') FROM task
SELECT task LIKE '%a%a%a%a%a%a%a%a%' FROM task
SELECT task GLOB '*a*a*a*a*a*a*a*a*' FROM task
SELECT '9'::BIGNUM
SELECT TRY_CAST(['9'] AS BIGNUM[])
SELECT CAST({'a': '9'} AS STRUCT(a BIGNUM))
SELECT json_merge_patch('{}', '{}')
SELECT json_deep_merge('{}', '{}')
SELECT json_merge_patch_diff('{}', '{}')
SELECT parse_path('a/b')
SELECT parse_dirpath('a/b')
SELECT parse_filename('a/b')
SELECT parse_dirname('a/b')
SELECT replace(replace(text, 'a', 'aaaaaaaaaa'), 'a', 'aaaaaaaaaa') FROM task
SELECT list_reduce(reasons, lambda a, b: a || a) FROM task
SELECT reduce(reasons, lambda a, b: concat(a, b, a)) FROM task
WITH RECURSIVE r AS (SELECT 'ab' AS s UNION ALL SELECT s || s FROM r) SELECT max(length(s)) FROM r
WITH RECURSIVE r AS (SELECT [1] AS s UNION ALL SELECT list_concat(s, s) FROM r) SELECT count(*) FROM r
EXPLAIN SELECT repeat('x', 20000)
""".splitlines()
"""Queries that DuckDB may not hear an interrupt in, or that fill the memory: they get a process of their own."""


def assert_a_reason(error: ObraError, sql: str) -> None:
    """Assert that *error* says why, and shows nothing of what was reached for."""
    reason = str(error).partition(": ")[2].replace(sql, "") if sql else str(error)
    assert len(reason) > len("no reason"), reason
    assert "root:" not in reason
    assert "took longer" not in reason
