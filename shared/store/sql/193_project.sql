-- Projects: how many tasks stand how, and whether the project is paused.
CREATE OR REPLACE MACRO project(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
WITH paused AS (
    SELECT project, arg_max(type = 'project.paused', position) AS paused,
        arg_max(coalesce(body.reason, ''), position) AS reason
    FROM typed WHERE (type IN ('project.paused', 'project.resumed')) IS TRUE AND position <= as_of GROUP BY ALL
), counted AS (
    SELECT project, count(*) AS tasks, count(*) FILTER (status = 'queued') AS queued,
        count(*) FILTER (status IN ('ready', 'running', 'checking', 'reviewing')) AS working,
        count(*) FILTER (status = 'waiting') AS waiting, count(*) FILTER (status = 'completed') AS completed,
        count(*) FILTER (status IN ('failed', 'rejected', 'cancelled')) AS lost, round(sum(cost_usd), 6) AS cost_usd
    FROM task(as_of := as_of) GROUP BY ALL
)
SELECT project, coalesce(p.paused, false) AS paused, coalesce(p.reason, '') AS reason, coalesce(c.tasks, 0) AS tasks,
    coalesce(c.queued, 0) AS queued, coalesce(c.working, 0) AS working, coalesce(c.waiting, 0) AS waiting,
    coalesce(c.completed, 0) AS completed, coalesce(c.lost, 0) AS lost, coalesce(c.cost_usd, 0) AS cost_usd
FROM counted c FULL JOIN paused p USING (project) WHERE project <> '-';
CREATE OR REPLACE VIEW project AS FROM project();
