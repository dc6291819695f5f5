-- How each task stands in line: what it waits for and what decides its turn.
CREATE OR REPLACE MACRO line(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
WITH submitted AS (
    SELECT project, task, position, body FROM history(as_of := as_of) WHERE type = 'task.submitted'
    QUALIFY row_number() OVER (PARTITION BY project, task ORDER BY position) = 1
), held AS (
    SELECT project, task, arg_max(body.waits_for::VARCHAR, position) AS waits_for,
        min(happened_at) AS since
    FROM history(as_of := as_of) WHERE type = 'task.held' GROUP BY ALL
), readied AS (
    SELECT project, task, arg_max(TRY_CAST(body.complexity.total AS BIGINT), position) AS complexity,
        min(happened_at) AS readied_at
    FROM history(as_of := as_of) WHERE type = 'task.readied' GROUP BY ALL
)
SELECT s.project, s.task, t.status, coalesce(TRY_CAST(s.body.priority AS BIGINT), 5) AS priority,
    coalesce(s.body.deadline::VARCHAR, '') AS deadline, coalesce(TRY_CAST(s.body."after" AS VARCHAR[]), []) AS "after",
    coalesce(s.body.goal::VARCHAR, '') AS goal, coalesce(s.body.milestone::VARCHAR, '') AS milestone,
    CASE WHEN t.status = 'queued' THEN h.waits_for ELSE '' END AS waits_for,
    CASE WHEN t.status = 'queued' THEN t.reasons ELSE [] END AS reasons,
    r.complexity, h.since AS held_at, r.readied_at, s.position
FROM submitted s JOIN task(as_of := as_of) t USING (project, task)
LEFT JOIN held h USING (project, task) LEFT JOIN readied r USING (project, task);
CREATE OR REPLACE VIEW line AS FROM line();
