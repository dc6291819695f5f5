-- Every event that counts as of a position: those that a later task.rolled_back undid are left out.
-- Of several rollbacks of one task the last one holds; one that it undid itself undoes nothing.
CREATE OR REPLACE MACRO history(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
WITH RECURSIVE asked AS (
    SELECT project, task, position, TRY_CAST(body."to" AS UBIGINT) AS back_to FROM event
    WHERE type = 'task.rolled_back' AND position <= as_of AND TRY_CAST(body."to" AS UBIGINT) < position
), holds AS (
    SELECT * FROM asked QUALIFY row_number() OVER (PARTITION BY project, task ORDER BY position DESC) = 1
    UNION ALL
    (
        SELECT a.project, a.task, max(a.position), arg_max(a.back_to, a.position)
        FROM holds h JOIN asked a ON a.project = h.project AND a.task = h.task AND a.position <= h.back_to
        GROUP BY a.project, a.task
    )
)
SELECT * FROM event e
WHERE position <= as_of AND problem IS NULL AND NOT EXISTS (
    SELECT 1 FROM holds h
    WHERE h.project = e.project AND h.task = e.task AND e.position > h.back_to AND e.position < h.position
);
CREATE OR REPLACE VIEW history AS FROM history();
