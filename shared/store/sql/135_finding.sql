-- What inspections found in the changes of runs, one row a finding.
CREATE OR REPLACE MACRO finding(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
WITH seen AS (
    SELECT position, project, task, happened_at, body.attempt, body.run, unnest(body.findings) AS found,
        generate_subscripts(body.findings, 1) AS number
    FROM told(as_of := as_of) WHERE type = 'workspace.inspected'
)
SELECT position, project, task, happened_at, attempt, run, number, found.kind, coalesce(found.path, '') AS path,
    coalesce(found.detail, '') AS detail, coalesce(found.blocks, true) AS blocks
FROM seen;
CREATE OR REPLACE VIEW finding AS FROM finding();
