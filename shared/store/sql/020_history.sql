-- Which positions do not count, and as of which positions: what a task.rolled_back undid is undone from there on, until
-- the same task's next one says anew what is. Of several rollbacks of one task the last one holds; one that it undid
-- itself undoes nothing. Only the tasks are worked out that were rolled back after `since`.
CREATE OR REPLACE MACRO undone_anew(as_of, since) AS TABLE
WITH RECURSIVE these AS MATERIALIZED (
    SELECT DISTINCT project, task FROM typed
    WHERE type = 'task.rolled_back' AND position > since AND position <= as_of
), asked AS MATERIALIZED (
    SELECT project, task, position, TRY_CAST(body."to" AS UBIGINT) AS back_to,
        lead(position - 1, 1, 18446744073709551615) OVER (PARTITION BY project, task ORDER BY position) AS ends
    FROM typed SEMI JOIN these USING (project, task)
    WHERE type = 'task.rolled_back' AND position <= as_of AND TRY_CAST(body."to" AS UBIGINT) < position
), holds AS (  -- as of `begins`: it itself, and those that came before what it went back to
    SELECT project, task, position AS begins, ends, position, back_to FROM asked
    UNION ALL
    (
        SELECT h.project, h.task, h.begins, any_value(h.ends), max(a.position), arg_max(a.back_to, a.position)
        FROM holds h JOIN asked a ON a.project = h.project AND a.task = h.task AND a.position <= h.back_to
        GROUP BY h.project, h.task, h.begins
    )
)
SELECT t.project, t.task, t.position, h.begins, h.ends
FROM typed t JOIN holds h ON t.project = h.project AND t.task = h.task
WHERE t.position > (SELECT coalesce(min(back_to), 18446744073709551615) FROM holds)  -- NULL would look through all
    AND t.position > h.back_to AND t.position < h.position;
-- Kept by each transaction that adds events, for all of it; rollbacks are rare, and working them out is a part of every question else.
CREATE OR REPLACE TABLE taken_back AS FROM undone_anew(0, 0);
CREATE OR REPLACE MACRO undone_behind(as_of, first) AS TABLE  -- of positions from `first` on
SELECT position FROM taken_back WHERE position >= first AND begins <= as_of AND ends >= as_of;
CREATE OR REPLACE MACRO undone(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
FROM undone_behind(upto(as_of), 0);
-- Every event that counts as of a position, whole; and the same with the fields that views read, typed. Views ask for
-- types by `(type IN (...)) IS TRUE`: so asked, DuckDB looks at each type once a row group; without, it joins every row
-- with the list. What else they ask of such rows stands in a CASE, since an OR over a field reads the bodies whole.
CREATE OR REPLACE MACRO history(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
FROM event ANTI JOIN undone(as_of := as_of) USING (position) WHERE position <= as_of AND problem IS NULL;
CREATE OR REPLACE MACRO told(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
FROM typed ANTI JOIN undone(as_of := as_of) USING (position) WHERE position <= as_of;
-- What counts of all that ever happened in the tasks whose rows do not hold as of a position.
CREATE OR REPLACE MACRO told_anew(as_of, since) AS TABLE
WITH these AS MATERIALIZED (
    FROM moving(as_of, since)
)
SELECT t.* FROM typed t SEMI JOIN these m ON t.project = m.project AND t.task = m.task AND t.position >= m.first
    ANTI JOIN undone_behind(as_of, (SELECT coalesce(min(first), 18446744073709551615) FROM these)) USING (position)
WHERE t.position <= as_of;
CREATE OR REPLACE VIEW history AS FROM history();
