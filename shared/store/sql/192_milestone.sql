-- Milestones: the tasks that share one, and when it was reached.
CREATE OR REPLACE MACRO milestone(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
WITH said AS (
    SELECT project, task AS goal, unnest(milestones) AS milestone, unnest(reached_at) AS reached_at
    FROM goal_whole(as_of)
), reached AS (
    SELECT project, goal, milestone, min(reached_at) AS reached_at FROM said GROUP BY ALL
), counted AS (
    SELECT project, goal, milestone, count(*) AS tasks, count(*) FILTER (status = 'completed') AS completed,
        count(*) FILTER (status NOT IN ('completed', 'failed', 'cancelled', 'rejected')) AS open,
        min(submitted) AS position
    FROM task_whole(as_of) WHERE milestone <> '' GROUP BY ALL
)
SELECT project, goal, milestone, tasks, completed, open, reached_at, position
FROM counted LEFT JOIN reached USING (project, goal, milestone);
CREATE OR REPLACE VIEW milestone AS FROM milestone();
