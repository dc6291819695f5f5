-- Each time something waited for a person, in any scope, and who ended it how. `wait_whole` has beside that what was asked,
-- and of what: `inbox` has those of its rows that nobody has ended.
CREATE OR REPLACE MACRO wait_anew(as_of, since) AS TABLE
WITH told AS NOT MATERIALIZED (
    FROM told_anew(as_of, since)
), over AS (  -- what is over waits for nobody any more
    SELECT project, task, min(position) AS position FROM told
    WHERE (type IN (
        'task.completed', 'task.failed', 'task.cancelled', 'task.rejected', 'goal.completed', 'goal.failed'
    )) IS TRUE GROUP BY ALL
), asked AS MATERIALIZED (
    SELECT t.position, project, task, happened_at, type, body.question, body.name, body.severity, body.reasons,
        body.reason, body.text, coalesce(body.attempt, 0) AS attempt,
        CASE type WHEN 'breakpoint.raised' THEN 'breakpoint' WHEN 'question.asked' THEN 'question' ELSE 'rollback' END
            AS kind
    FROM told t LEFT JOIN over o USING (project, task)
    WHERE (type IN ('breakpoint.raised', 'question.asked', 'task.rolled_back')) IS TRUE
        AND CASE type WHEN 'question.asked' THEN coalesce(body."to", 'person') = 'person' ELSE true END
        AND coalesce(t.position < o.position, true)
), begun AS MATERIALIZED (
    SELECT a.*, e.id FROM asked a JOIN event e ON e.position = a.position
), about AS (  -- undone or not
    SELECT project, task, arg_min(body.text, position) AS text, arg_min(body.repo, position) AS repo
    FROM moved(as_of, since) SEMI JOIN asked USING (project, task)
    WHERE (type IN ('task.submitted', 'goal.submitted')) IS TRUE GROUP BY ALL
), past AS MATERIALIZED (
    SELECT position, project, task, type, happened_at, body."breakpoint", body.question, body."by", body.action,
        body.resolution
    FROM told SEMI JOIN asked USING (project, task)
    WHERE (type IN (
        'breakpoint.resolved', 'question.answered', 'decision.made', 'decision.overridden', 'plan.drafted',
        'task.rolled_back', 'task.completed', 'task.failed', 'task.cancelled', 'task.rejected', 'goal.completed',
        'goal.failed'
    )) IS TRUE
), ended AS (
    SELECT b.position, arg_min(p.happened_at, p.position) FILTER (p.type <> 'decision.overridden') AS until,
        min(p.position) AS said_at
    FROM begun b JOIN past p ON p.project = b.project AND p.task = b.task AND p.position > b.position
    WHERE CASE p.type
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
    CASE WHEN e.until IS NULL THEN '' ELSE coalesce(s."by", '') END AS "by", b.position,
    CASE WHEN b.kind = 'rollback' THEN list_filter([b.reason], lambda reason: reason <> '')
        ELSE coalesce(b.reasons, []) END AS reasons,
    CASE b.kind WHEN 'question' THEN coalesce(TRY_CAST(b.text AS JSON)->>'text', '') ELSE '' END AS question,
    b.attempt, coalesce(a.text, '') AS text, coalesce(a.repo, '') AS repo
FROM begun b LEFT JOIN ended e USING (position) LEFT JOIN past s ON s.position = e.said_at
    LEFT JOIN about a ON a.project = b.project AND a.task = b.task;
CREATE OR REPLACE TABLE wait_settled AS SELECT *, 0::UBIGINT AS newest FROM wait_anew(0, 0);
CREATE OR REPLACE MACRO wait_whole(as_of) AS TABLE
SELECT * EXCLUDE (newest)
FROM wait_settled ANTI JOIN stirred(upto(as_of), (SELECT position FROM settling)) USING (project, task)
WHERE newest <= upto(as_of)
UNION ALL FROM wait_anew(upto(as_of), (SELECT position FROM settling));
CREATE OR REPLACE MACRO wait(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
SELECT * EXCLUDE (reasons, question, attempt, text, repo) FROM wait_whole(as_of);
CREATE OR REPLACE VIEW wait AS FROM wait();
