-- Where each goal stands: one row a goal, with how many tasks its plan has and how many of them are completed.
CREATE OR REPLACE MACRO goal(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
WITH past AS (
    FROM told(as_of := as_of)
    WHERE type IN (
        'goal.submitted', 'goal.completed', 'goal.failed', 'plan.requested', 'plan.drafted', 'plan.rejected',
        'plan.accepted', 'breakpoint.raised', 'breakpoint.resolved', 'milestone.reached', 'task.cancelled'
    )
), begun AS (
    SELECT project, task, min(position) AS position FROM past WHERE type = 'goal.submitted' GROUP BY ALL
), folded AS (
    SELECT p.project, p.task AS goal,
        arg_min(p.body.text, p.position) FILTER (type = 'goal.submitted') AS text,
        arg_min(p.body.repo, p.position) FILTER (type = 'goal.submitted') AS repo,
        min(happened_at) FILTER (type = 'goal.submitted') AS submitted_at,
        arg_min(type, p.position) FILTER (type IN ('goal.completed', 'goal.failed', 'task.cancelled')) AS ended,
        min(happened_at) FILTER (type IN ('goal.completed', 'goal.failed', 'task.cancelled')) AS ended_at,
        count(*) FILTER (type = 'plan.accepted') > 0 AS planned,
        coalesce(max(p.position) FILTER (type = 'breakpoint.raised'), 0) AS raised_at,
        coalesce(max(p.position) FILTER (type IN ('breakpoint.resolved', 'plan.drafted', 'plan.accepted')), 0) AS word_at,
        count(*) FILTER (type = 'plan.drafted') AS drafts,
        coalesce(
            list(p.body.milestone ORDER BY p.position) FILTER (type = 'milestone.reached'), []
        ) AS milestones,
        arg_max(coalesce(p.body.reasons, []), p.position) FILTER (
            type IN ('goal.failed', 'breakpoint.raised', 'plan.rejected')
        ) AS reasons,
        max(p.position) AS position
    FROM past p JOIN begun b ON b.project = p.project AND b.task = p.task AND p.position >= b.position
    GROUP BY ALL
), members AS (
    SELECT s.project, s.body.goal, count(*) AS tasks,
        count(*) FILTER (t.status = 'completed') AS completed,
        count(*) FILTER (t.status NOT IN ('completed', 'failed', 'cancelled', 'rejected')) AS open,
        round(sum(t.cost_usd), 6) AS cost_usd
    FROM typed s JOIN task(as_of := as_of) t USING (project, task)
    WHERE s.type = 'task.submitted' AND coalesce(s.body.goal, '') <> '' AND s.position <= as_of GROUP BY ALL
)
SELECT f.project, f.goal,
    CASE
        WHEN f.ended IS NOT NULL THEN CASE f.ended WHEN 'task.cancelled' THEN 'cancelled' ELSE f.ended[6:] END
        WHEN f.raised_at > f.word_at THEN 'waiting'
        WHEN f.planned THEN 'running'
        ELSE 'planning'
    END AS status,
    f.text, f.repo, f.drafts, coalesce(m.tasks, 0) AS tasks, coalesce(m.completed, 0) AS completed,
    coalesce(m.open, 0) AS open, f.milestones, coalesce(f.reasons, []) AS reasons,
    coalesce(m.cost_usd, 0) AS cost_usd, f.submitted_at, f.ended_at, f.position
FROM folded f LEFT JOIN members m USING (project, goal);
CREATE OR REPLACE VIEW goal AS FROM goal();
