-- Every event that counts as of a position: those that a later task.rolled_back undid are left out.
-- Of several rollbacks of one task the last one holds; one that it undid itself undoes nothing.
CREATE OR REPLACE MACRO history(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
WITH RECURSIVE rolled AS MATERIALIZED (  -- so that the bodies of all other events are left alone
    SELECT project, task, position, body FROM event WHERE type = 'task.rolled_back' AND position <= as_of
), asked AS (
    SELECT project, task, position, TRY_CAST(body."to" AS UBIGINT) AS back_to FROM rolled
    WHERE TRY_CAST(body."to" AS UBIGINT) < position
), holds AS (
    SELECT * FROM asked QUALIFY row_number() OVER (PARTITION BY project, task ORDER BY position DESC) = 1
    UNION ALL
    (
        SELECT a.project, a.task, max(a.position), arg_max(a.back_to, a.position)
        FROM holds h JOIN asked a ON a.project = h.project AND a.task = h.task AND a.position <= h.back_to
        GROUP BY a.project, a.task
    )
), undone AS (
    SELECT project, task, list({'low': back_to, 'high': position}) AS spans FROM holds GROUP BY project, task
)
SELECT e.* FROM event e LEFT JOIN undone u ON u.project = e.project AND u.task = e.task
WHERE e.position <= as_of AND e.problem IS NULL AND (
    u.spans IS NULL
    OR len(list_filter(u.spans, lambda span: e.position > span.low AND e.position < span.high)) = 0
);
CREATE OR REPLACE VIEW history AS FROM history();
