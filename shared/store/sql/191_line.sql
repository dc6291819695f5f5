-- How each task stands in line: what it waits for and what decides its turn.
CREATE OR REPLACE MACRO line(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
WITH submitted AS (
    SELECT project, task, position, body FROM told(as_of := as_of) WHERE type = 'task.submitted'
    QUALIFY row_number() OVER (PARTITION BY project, task ORDER BY position) = 1
), held AS (
    SELECT project, task, arg_max(body.waits_for, position) AS waits_for,
        min(happened_at) AS since
    FROM told(as_of := as_of) WHERE type = 'task.held' GROUP BY ALL
), readied AS (
    SELECT project, task, arg_max(body.complexity.total, position) AS complexity,
        min(happened_at) AS readied_at
    FROM told(as_of := as_of) WHERE type = 'task.readied' GROUP BY ALL
)
SELECT s.project, s.task, t.status, coalesce(s.body.priority, 5) AS priority,
    coalesce(s.body.deadline, '') AS deadline, coalesce(s.body."after", []) AS "after",
    coalesce(s.body.goal, '') AS goal, coalesce(s.body.milestone, '') AS milestone,
    CASE WHEN t.status = 'queued' THEN h.waits_for ELSE '' END AS waits_for,
    CASE WHEN t.status = 'queued' THEN t.reasons ELSE [] END AS reasons,
    r.complexity, h.since AS held_at, r.readied_at, s.position
FROM submitted s JOIN task(as_of := as_of) t USING (project, task)
LEFT JOIN held h USING (project, task) LEFT JOIN readied r USING (project, task);
CREATE OR REPLACE VIEW line AS FROM line();
