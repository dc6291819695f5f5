-- Each check that Obra ran, one row a command.
CREATE OR REPLACE MACRO check_result(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
WITH ran AS (
    SELECT position, project, task, happened_at, body.attempt, body.run,
        unnest(body.checks) AS result, generate_subscripts(body.checks, 1) AS number
    FROM told(as_of := as_of) WHERE type = 'checks.ran'
)
SELECT position, project, task, happened_at, attempt, run, number, result.command, result.exit_code,
    result.exit_code = 0 AS passed, coalesce(result.timed_out, false) AS timed_out,
    coalesce(result.duration_ms, 0) AS duration_ms, coalesce(result.output.text, '') AS output
FROM ran;
CREATE OR REPLACE VIEW check_result AS FROM check_result();
