-- What need not be worked out again. Views that fold each task's whole past keep their rows as of one position, for all
-- tasks: such a row holds as of any position at which its task had come to its newest event, and had begun no new one.
-- So only the tasks that were under way at the position asked for are folded, however long the log is.
-- `settled` has the first and the newest event of each task, `settling` the position; sink moves both now and then.
CREATE OR REPLACE TABLE settled (project VARCHAR, task VARCHAR, first UBIGINT, newest UBIGINT);
CREATE OR REPLACE TABLE settling AS SELECT 0::UBIGINT AS position;
-- The end of what a question sees: of the position asked for and the one set for the whole query, the earlier one.
CREATE OR REPLACE MACRO upto(as_of) AS least(as_of, coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615));
-- The tasks whose rows do not hold as of a position, if rows were kept as of `since`, and the first event of each.
-- A project itself is among them only where something in it waited for a person, and from there on: it is as old as the
-- log, moves all the time, and no other view has a row for it.
CREATE OR REPLACE MACRO moving(as_of, since) AS TABLE
SELECT m.project, m.task, coalesce(s.first, m.first) AS first
FROM (
    SELECT project, task, min(position) FILTER (
            task <> '-' OR type IN ('breakpoint.raised', 'question.asked', 'task.rolled_back')
        ) AS first
    FROM typed WHERE position > since AND position <= as_of GROUP BY ALL
) m LEFT JOIN settled s USING (project, task)
WHERE coalesce(s.first, m.first) IS NOT NULL
UNION ALL
SELECT project, task, first FROM settled WHERE first <= as_of AND newest > as_of AND as_of <= since;
-- Of the tasks whose rows were kept, those that moved since; rows of tasks that moved later than `as_of` say so.
CREATE OR REPLACE MACRO stirred(as_of, since) AS TABLE
SELECT project, task FROM typed WHERE position > since AND position <= as_of;
-- All events of these tasks, those that were undone included. Materialised, so that the few tasks are what is hashed;
-- by `first`, row groups from before the first of them are not read at all.
CREATE OR REPLACE MACRO moved(as_of, since) AS TABLE
WITH these AS MATERIALIZED (FROM moving(as_of, since))
SELECT t.* FROM typed t SEMI JOIN these m ON t.project = m.project AND t.task = m.task AND t.position >= m.first
WHERE t.position <= as_of;
