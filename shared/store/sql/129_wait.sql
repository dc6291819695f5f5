-- Each time something waited for a person, in any scope, and who ended it how: `inbox` has those that nobody has ended.
CREATE OR REPLACE MACRO wait(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
WITH past AS MATERIALIZED (
    SELECT position, project, task, type, happened_at, body."to", body."breakpoint", body.question, body.name,
        body.severity, body."by", body.action, body.resolution
    FROM told(as_of := as_of)
    WHERE type IN (
        'breakpoint.raised', 'breakpoint.resolved', 'question.asked', 'question.answered', 'decision.made',
        'decision.overridden', 'plan.drafted', 'task.rolled_back', 'task.completed', 'task.failed', 'task.cancelled',
        'task.rejected', 'goal.completed', 'goal.failed'
    )
), begun AS (
    SELECT p.*, e.id,
        CASE p.type WHEN 'breakpoint.raised' THEN 'breakpoint' WHEN 'question.asked' THEN 'question' ELSE 'rollback' END
            AS kind
    FROM past p JOIN event e ON e.position = p.position
    WHERE p.type IN ('breakpoint.raised', 'task.rolled_back')
        OR (p.type = 'question.asked' AND coalesce(p."to", 'person') = 'person')
), ended AS (
    SELECT b.position, arg_min(p.happened_at, p.position) FILTER (p.type <> 'decision.overridden') AS until,
        min(p.position) AS said_at
    FROM begun b JOIN past p ON p.project = b.project AND p.task = b.task AND p.position > b.position
    WHERE CASE p.type
        WHEN 'breakpoint.raised' THEN false
        WHEN 'question.asked' THEN false
        WHEN 'breakpoint.resolved' THEN coalesce(p."breakpoint", '') IN ('', b.id::VARCHAR)
        WHEN 'question.answered' THEN b.kind = 'question' AND p.question = b.question
        WHEN 'plan.drafted' THEN coalesce(b.name, '') IN ('plan_needed', 'plan_review')
        ELSE true END
    GROUP BY ALL
)
SELECT b.id, b.project, b.task, b.kind,
    CASE b.kind WHEN 'breakpoint' THEN coalesce(b.name, '') WHEN 'question' THEN b.question ELSE 'rolled_back' END AS name,
    CASE b.kind WHEN 'breakpoint' THEN coalesce(b.severity, 'warning') WHEN 'question' THEN 'warning' ELSE 'notice' END
        AS severity,
    b.happened_at AS since, e.until,
    round((epoch_us(e.until) - epoch_us(b.happened_at)) / 1000000, 3) AS seconds,
    CASE WHEN e.until IS NULL THEN ''
        WHEN s.type LIKE 'decision.%' THEN s.action
        WHEN s.type = 'breakpoint.resolved' THEN s.resolution
        ELSE split_part(s.type, '.', 2) END AS resolution,
    CASE WHEN e.until IS NULL THEN '' ELSE coalesce(s."by", '') END AS "by", b.position
FROM begun b LEFT JOIN ended e USING (position) LEFT JOIN past s ON s.position = e.said_at;
CREATE OR REPLACE VIEW wait AS FROM wait();
