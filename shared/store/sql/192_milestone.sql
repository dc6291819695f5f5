-- Milestones: the tasks that share one, and when it was reached.
CREATE OR REPLACE MACRO milestone(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
WITH reached AS (
    SELECT project, task AS goal, unnest(milestones) AS milestone, unnest(reached_at) AS reached_at
    FROM goal_whole(as_of)
), first AS (
    SELECT project, goal, milestone, min(reached_at) AS reached_at FROM reached GROUP BY ALL
)
SELECT t.project, t.goal, t.milestone, count(*) AS tasks, count(*) FILTER (t.status = 'completed') AS completed,
    count(*) FILTER (t.status NOT IN ('completed', 'failed', 'cancelled', 'rejected')) AS open,
    any_value(r.reached_at) AS reached_at, min(t.submitted) AS position
FROM task_whole(as_of) t LEFT JOIN first r USING (project, goal, milestone)
WHERE t.milestone <> '' GROUP BY t.project, t.goal, t.milestone;
CREATE OR REPLACE VIEW milestone AS FROM milestone();
