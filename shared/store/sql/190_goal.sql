-- Where each goal stands: one row a goal, with how many tasks its plan has and how many of them are completed.
-- `goal_whole` is what its own events say; `milestone` reads it too.
CREATE OR REPLACE MACRO goal_anew(as_of, since) AS TABLE
WITH past AS MATERIALIZED (
    SELECT project, task, position, type, happened_at, body.text, body.repo, body.milestone, body.reasons
    FROM told_anew(as_of, since)
    WHERE (type IN (
        'goal.submitted', 'goal.completed', 'goal.failed', 'plan.requested', 'plan.drafted', 'plan.rejected',
        'plan.accepted', 'breakpoint.raised', 'breakpoint.resolved', 'milestone.reached', 'task.cancelled'
    )) IS TRUE
), begun AS MATERIALIZED (
    SELECT project, task, min(position) AS begun_at, min(happened_at) AS submitted_at,
        arg_min(text, position) AS text, arg_min(repo, position) AS repo
    FROM past WHERE type = 'goal.submitted' GROUP BY ALL
), folded AS (
    SELECT p.project, p.task,
        arg_min(type, position) FILTER (type IN ('goal.completed', 'goal.failed', 'task.cancelled')) AS ended,
        min(happened_at) FILTER (type IN ('goal.completed', 'goal.failed', 'task.cancelled')) AS ended_at,
        count(*) FILTER (type = 'plan.accepted') > 0 AS planned,
        coalesce(max(position) FILTER (type = 'breakpoint.raised'), 0) AS raised_at,
        coalesce(max(position) FILTER (type IN ('breakpoint.resolved', 'plan.drafted', 'plan.accepted')), 0) AS word_at,
        count(*) FILTER (type = 'plan.drafted') AS drafts,
        coalesce(list(milestone ORDER BY position) FILTER (type = 'milestone.reached'), []) AS milestones,
        coalesce(list(happened_at ORDER BY position) FILTER (type = 'milestone.reached'), []) AS reached_at,
        arg_max(coalesce(reasons, []), position) FILTER (
            type IN ('goal.failed', 'breakpoint.raised', 'plan.rejected')
        ) AS reasons,
        max(position) AS position
    FROM past p JOIN begun b ON b.project = p.project AND b.task = p.task AND p.position >= b.begun_at
    GROUP BY ALL
)
SELECT f.*, b.text, b.repo, b.submitted_at FROM folded f JOIN begun b USING (project, task);
CREATE OR REPLACE TABLE goal_settled AS SELECT *, 0::UBIGINT AS newest FROM goal_anew(0, 0);
CREATE OR REPLACE MACRO goal_whole(as_of) AS TABLE
SELECT * EXCLUDE (newest)
FROM goal_settled ANTI JOIN stirred(upto(as_of), (SELECT position FROM settling)) USING (project, task)
WHERE newest <= upto(as_of)
UNION ALL FROM goal_anew(upto(as_of), (SELECT position FROM settling));
CREATE OR REPLACE MACRO goal(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
WITH members AS (
    SELECT project, goal AS task, count(*) AS tasks, count(*) FILTER (status = 'completed') AS completed,
        count(*) FILTER (status NOT IN ('completed', 'failed', 'cancelled', 'rejected')) AS open,
        round(sum(cost_usd), 6) AS cost_usd
    FROM task_whole(as_of) WHERE goal <> '' GROUP BY ALL
)
SELECT f.project, task AS goal,
    CASE
        WHEN f.ended IS NOT NULL THEN CASE f.ended WHEN 'task.cancelled' THEN 'cancelled' ELSE f.ended[6:] END
        WHEN f.raised_at > f.word_at THEN 'waiting'
        WHEN f.planned THEN 'running'
        ELSE 'planning'
    END AS status,
    f.text, f.repo, f.drafts, coalesce(m.tasks, 0) AS tasks, coalesce(m.completed, 0) AS completed,
    coalesce(m.open, 0) AS open, f.milestones, coalesce(f.reasons, []) AS reasons,
    coalesce(m.cost_usd, 0) AS cost_usd, f.submitted_at, f.ended_at, f.position
FROM goal_whole(as_of) f LEFT JOIN members m USING (project, task);
CREATE OR REPLACE VIEW goal AS FROM goal();
