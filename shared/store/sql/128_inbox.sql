-- What waits for a person, in any scope: one row a thing that waits, the most severe first, and of those the oldest.
CREATE OR REPLACE MACRO inbox(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
WITH gone AS MATERIALIZED (
    FROM undone(as_of := as_of)
), turns AS MATERIALIZED (  -- where something began to wait, and where it was all over
    SELECT project, task, type NOT IN ('breakpoint.raised', 'question.asked', 'task.rolled_back') AS over
    FROM typed ANTI JOIN gone USING (position)
    WHERE position <= as_of AND (type IN (
        'breakpoint.raised', 'question.asked', 'task.rolled_back', 'task.completed', 'task.failed', 'task.cancelled',
        'task.rejected', 'goal.completed', 'goal.failed'
    )) IS TRUE
), these AS MATERIALIZED (  -- nearly none of them all
    SELECT project, task FROM turns GROUP BY ALL HAVING NOT bool_or(over)
), past AS MATERIALIZED (
    SELECT position, project, task, type, body."to", body."breakpoint", body.question
    FROM typed SEMI JOIN these USING (project, task) ANTI JOIN gone USING (position)
    WHERE position <= as_of AND (type IN (
        'breakpoint.raised', 'breakpoint.resolved', 'question.asked', 'question.answered', 'decision.made',
        'plan.drafted', 'task.rolled_back'
    )) IS TRUE
), settled AS (  -- everything in the scope that was open before
    SELECT project, task,
        max(position) FILTER (
            type IN ('decision.made', 'task.rolled_back')
            OR (type = 'breakpoint.resolved' AND coalesce("breakpoint", '') = '')
        ) AS position
    FROM past GROUP BY ALL
), named AS (  -- one thing alone
    SELECT project, task, position,
        CASE type WHEN 'breakpoint.resolved' THEN "breakpoint" WHEN 'plan.drafted' THEN type ELSE question END AS name
    FROM past
    WHERE (type = 'breakpoint.resolved' AND coalesce("breakpoint", '') <> '')
        OR type IN ('question.answered', 'plan.drafted')
), begun AS MATERIALIZED (
    SELECT p.project, p.task, p.position FROM past p JOIN settled s USING (project, task)
    WHERE coalesce(p.position >= s.position, true) AND (
        p.type IN ('breakpoint.raised', 'task.rolled_back')
        OR (p.type = 'question.asked' AND coalesce(p."to", 'person') = 'person')
    )
), raised AS (
    SELECT t.*, e.id,
        CASE t.type WHEN 'breakpoint.raised' THEN coalesce(t.body.severity, 'warning')
            WHEN 'question.asked' THEN 'warning' ELSE 'notice' END AS severity
    FROM begun b JOIN typed t ON t.position = b.position JOIN event e ON e.position = b.position
), about AS (
    SELECT project, task, arg_min(body.text, position) AS text, arg_min(body.repo, position) AS repo
    FROM typed SEMI JOIN begun USING (project, task)
    WHERE (type IN ('task.submitted', 'goal.submitted')) IS TRUE AND position <= as_of GROUP BY ALL
)
SELECT r.id, r.project, r.task,
    CASE r.type WHEN 'breakpoint.raised' THEN 'breakpoint' WHEN 'question.asked' THEN 'question' ELSE 'rollback' END
        AS kind,
    CASE r.type WHEN 'breakpoint.raised' THEN coalesce(r.body.name, '')
        WHEN 'question.asked' THEN r.body.question ELSE 'rolled_back' END AS name,
    r.severity, r.happened_at AS since,
    CASE WHEN r.type = 'task.rolled_back' THEN list_filter([r.body.reason], lambda reason: reason <> '')
        ELSE coalesce(r.body.reasons, []) END AS reasons,
    CASE WHEN r.type = 'question.asked' THEN coalesce(TRY_CAST(r.body.text AS JSON)->>'text', '') ELSE '' END AS question,
    coalesce(r.body.attempt, 0) AS attempt, coalesce(a.text, '') AS text, coalesce(a.repo, '') AS repo, r.position
FROM raised r LEFT JOIN about a USING (project, task)
WHERE NOT EXISTS (
    FROM named n
    WHERE n.project = r.project AND n.task = r.task AND n.position > r.position
        AND n.name IN (
            r.id::VARCHAR, CASE WHEN r.type = 'question.asked' THEN r.body.question
                WHEN r.body.name IN ('plan_needed', 'plan_review') THEN 'plan.drafted' END
        )
)
ORDER BY CASE r.severity WHEN 'critical' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, r.position;
CREATE OR REPLACE VIEW inbox AS FROM inbox();
