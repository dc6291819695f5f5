-- Each check that Obra ran, one row a command.
CREATE OR REPLACE MACRO check_result(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
WITH ran AS (
    SELECT position, project, task, happened_at, TRY_CAST(body.attempt AS BIGINT) AS attempt, TRY_CAST(body.run AS BIGINT) AS run,
        unnest(TRY_CAST(body.checks AS VARIANT[])) AS result, generate_subscripts(TRY_CAST(body.checks AS VARIANT[]), 1) AS number
    FROM history(as_of := as_of) WHERE type = 'checks.ran'
)
SELECT position, project, task, happened_at, attempt, run, number, result.command::VARCHAR AS command,
    TRY_CAST(result.exit_code AS BIGINT) AS exit_code, TRY_CAST(result.exit_code AS BIGINT) = 0 AS passed,
    coalesce(TRY_CAST(result.timed_out AS BOOLEAN), false) AS timed_out,
    coalesce(TRY_CAST(result.duration_ms AS DOUBLE), 0) AS duration_ms,
    coalesce(result.output.text::VARCHAR, '') AS output
FROM ran;
CREATE OR REPLACE VIEW check_result AS FROM check_result();
