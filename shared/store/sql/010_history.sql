-- Which positions do not count as of a position: what each later task.rolled_back of the same task undid.
-- Of several rollbacks of one task the last one holds; one that it undid itself undoes nothing.
CREATE OR REPLACE MACRO undone(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
WITH RECURSIVE asked AS MATERIALIZED (
    SELECT project, task, position, TRY_CAST(body."to" AS UBIGINT) AS back_to FROM typed
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
SELECT t.position FROM typed t JOIN holds h ON t.project = h.project AND t.task = h.task
WHERE t.position > h.back_to AND t.position < h.position;
-- Every event that counts as of a position, whole; and the same with the fields that views read, typed.
CREATE OR REPLACE MACRO history(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
FROM event ANTI JOIN undone(as_of := as_of) USING (position) WHERE position <= as_of AND problem IS NULL;
CREATE OR REPLACE MACRO told(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
FROM typed ANTI JOIN undone(as_of := as_of) USING (position) WHERE position <= as_of;
CREATE OR REPLACE VIEW history AS FROM history();
