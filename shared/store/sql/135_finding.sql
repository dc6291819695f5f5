-- What inspections found in the changes of runs, one row a finding.
CREATE OR REPLACE MACRO finding(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
WITH seen AS (
    SELECT position, project, task, happened_at, TRY_CAST(body.attempt AS BIGINT) AS attempt, TRY_CAST(body.run AS BIGINT) AS run,
        unnest(TRY_CAST(body.findings AS VARIANT[])) AS found, generate_subscripts(TRY_CAST(body.findings AS VARIANT[]), 1) AS number
    FROM history(as_of := as_of) WHERE type = 'workspace.inspected'
)
SELECT position, project, task, happened_at, attempt, run, number, found.kind::VARCHAR AS kind,
    coalesce(found.path::VARCHAR, '') AS path, coalesce(found.detail::VARCHAR, '') AS detail,
    coalesce(TRY_CAST(found.blocks AS BOOLEAN), true) AS blocks
FROM seen;
CREATE OR REPLACE VIEW finding AS FROM finding();
