-- Milestones: the tasks that share one, and when it was reached.
CREATE OR REPLACE MACRO milestone(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
WITH reached AS (
    SELECT project, task AS goal, body.milestone, min(happened_at) AS reached_at
    FROM told(as_of := as_of) WHERE type = 'milestone.reached' GROUP BY ALL
)
SELECT l.project, l.goal, l.milestone, count(*) AS tasks, count(*) FILTER (l.status = 'completed') AS completed,
    count(*) FILTER (l.status NOT IN ('completed', 'failed', 'cancelled', 'rejected')) AS open,
    any_value(r.reached_at) AS reached_at, min(l.position) AS position
FROM line(as_of := as_of) l LEFT JOIN reached r USING (project, goal, milestone)
WHERE l.milestone <> '' GROUP BY l.project, l.goal, l.milestone;
CREATE OR REPLACE VIEW milestone AS FROM milestone();
