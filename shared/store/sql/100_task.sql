-- Where each task stands: one row a task. `task_whole` has beside that what it was submitted with, which other views
-- read: so all of them share the rows that are settled.
CREATE OR REPLACE MACRO task_anew(as_of, since) AS TABLE
WITH these AS MATERIALIZED (
    FROM moving(as_of, since)
), log AS NOT MATERIALIZED (
    SELECT t.* FROM typed t SEMI JOIN these m ON t.project = m.project AND t.task = m.task AND t.position >= m.first
    WHERE t.position <= as_of
), past AS NOT MATERIALIZED (
    FROM log
    ANTI JOIN undone_behind(as_of, (SELECT coalesce(min(first), 18446744073709551615) FROM these)) USING (position)
), over AS (
    SELECT project, task, min(position) AS position, arg_min(type[6:], position) AS status,
        arg_min(happened_at, position) AS ended_at
    FROM past WHERE (type IN ('task.completed', 'task.failed', 'task.cancelled', 'task.rejected')) IS TRUE
    GROUP BY ALL
), told AS (
    SELECT p.*, coalesce(p.position <= o.position, true) AS open,
        coalesce(p.position = o.position, false) AS ends,
        CASE
            WHEN type = 'task.held' THEN 'queued'
            WHEN type = 'task.readied' THEN 'ready'
            WHEN type IN ('attempt.requested', 'attempt.started') THEN 'running'
            WHEN type = 'agent.exited' THEN 'checking'
            WHEN type = 'attempt.finished' THEN 'reviewing'
            WHEN type = 'breakpoint.raised' THEN 'waiting'
            WHEN type = 'question.asked' AND coalesce(body."to", 'person') = 'person' THEN 'waiting'
            WHEN type = 'task.rolled_back' THEN 'rolled_back'
            WHEN type = 'decision.made' AND body.action IN ('retry', 'checkpoint', 'wait') THEN 'running'
            WHEN type = 'decision.made' AND body.action IN ('proceed', 'stop') THEN 'reviewing'
        END AS leads_to
    FROM past p LEFT JOIN over o USING (project, task)
), folded AS (
    SELECT project, task,
        arg_max(leads_to, position) FILTER (leads_to IS NOT NULL) AS led_to,
        max(position) FILTER (leads_to IS NOT NULL) AS led_at,
        max(position) FILTER (
            type IN ('breakpoint.resolved', 'question.answered') OR (
                type = 'decision.overridden'
                AND body.action IN ('proceed', 'retry', 'checkpoint', 'stop', 'escalate')
            )
        ) AS resolved_at,
        arg_min(body.text, position) FILTER (type = 'task.submitted') AS text,
        arg_min(body.repo, position) FILTER (type = 'task.submitted') AS repo,
        arg_min(coalesce(body.agent, 'claude'), position) FILTER (type = 'task.submitted') AS agent,
        min(happened_at) FILTER (type = 'task.submitted') AS submitted_at,
        max(body.attempt) FILTER (type = 'attempt.started') AS attempts,
        arg_max(body.action, position) FILTER (type = 'decision.made') AS decision,
        arg_max(coalesce(body.quality, 0), position) FILTER (
            (type = 'attempt.scored' AND open) OR (type = 'task.completed' AND ends)
        ) AS quality,
        arg_max(coalesce(body.confidence, 0), position) FILTER (
            (type = 'attempt.scored' AND open) OR (type = 'task.completed' AND ends)
        ) AS confidence,
        arg_max(body.branch, position) FILTER (
            (type = 'branch.delivered' AND open) OR (type = 'task.completed' AND ends)
        ) AS branch,
        arg_max(body.commit, position) FILTER (
            (type = 'branch.delivered' AND open) OR (type = 'task.completed' AND ends)
        ) AS commit,
        arg_max(
            CASE WHEN type IN ('task.cancelled', 'task.rolled_back', 'task.held') THEN
                CASE WHEN coalesce(body.reason, '') <> '' THEN [body.reason]
                WHEN type = 'task.cancelled' AND coalesce(body."by", '') <> '' THEN [concat('cancelled by ', body."by")]
                ELSE [] END
            ELSE coalesce(body.reasons, []) END,
            position
        ) FILTER (
            type = 'decision.made'
            OR (type IN ('breakpoint.raised', 'task.rolled_back', 'task.held', 'task.readied') AND open)
            OR (type = 'question.asked' AND open AND len(body.reasons) > 0)
            OR (type IN ('task.failed', 'task.rejected', 'task.cancelled') AND ends)
        ) AS reasons,
        arg_max(
            CASE WHEN body.provider = 'none' THEN 'none'
            ELSE concat(body.provider, '/', body.model) END,
            position
        ) FILTER (type = 'llm.selected') AS llm,
        arg_max(coalesce(body.sandbox, ''), position) FILTER (type = 'attempt.started') AS sandbox,
        min(position) FILTER (type = 'task.submitted') AS submitted,
        arg_min(coalesce(body.priority, 5), position) FILTER (type = 'task.submitted') AS priority,
        arg_min(coalesce(body.deadline, ''), position) FILTER (type = 'task.submitted') AS deadline,
        arg_min(coalesce(body."after", []), position) FILTER (type = 'task.submitted') AS "after",
        arg_min(coalesce(body.goal, ''), position) FILTER (type = 'task.submitted') AS goal,
        arg_min(coalesce(body.milestone, ''), position) FILTER (type = 'task.submitted') AS milestone,
        arg_max(body.waits_for, position) FILTER (type = 'task.held') AS waits_for,
        min(happened_at) FILTER (type = 'task.held') AS held_at,
        arg_max(coalesce(body.complexity.total, 0), position) FILTER (type = 'task.readied') AS complexity,
        min(happened_at) FILTER (type = 'task.readied') AS readied_at,
        max(position) AS position
    FROM told GROUP BY project, task
), spent AS (
    SELECT project, task, round(sum(body.cost_usd), 6) AS cost_usd, sum(body.tokens.input)::BIGINT AS tokens_input,
        sum(body.tokens.output)::BIGINT AS tokens_output
    FROM log WHERE type = 'agent.exited' GROUP BY ALL
)
SELECT f.project, f.task,
    CASE
        WHEN o.status IS NOT NULL THEN o.status
        WHEN f.led_to IN ('waiting', 'rolled_back') AND f.resolved_at > f.led_at THEN 'running'
        ELSE coalesce(f.led_to, 'submitted')
    END AS status,
    f.text, f.repo, f.agent, coalesce(f.attempts, 0) AS attempts, coalesce(f.decision, '') AS decision,
    coalesce(f.quality, 0) AS quality, coalesce(f.confidence, 0) AS confidence,
    coalesce(f.branch, '') AS branch, coalesce(f.commit, '') AS commit,
    coalesce(s.cost_usd, 0) AS cost_usd, coalesce(s.tokens_input, 0) AS tokens_input,
    coalesce(s.tokens_output, 0) AS tokens_output, coalesce(f.llm, '') AS llm, coalesce(f.sandbox, '') AS sandbox,
    coalesce(f.reasons, []) AS reasons, f.submitted_at, o.ended_at, f.position,
    f.submitted, f.priority, f.deadline, f."after", f.goal, f.milestone, f.waits_for, f.held_at, f.complexity,
    f.readied_at
FROM folded f LEFT JOIN over o USING (project, task) LEFT JOIN spent s USING (project, task)
WHERE f.submitted_at IS NOT NULL;
CREATE OR REPLACE TABLE task_settled AS SELECT *, position AS newest FROM task_anew(0, 0);
CREATE OR REPLACE MACRO task_whole(as_of) AS TABLE
SELECT * EXCLUDE (newest)
FROM task_settled ANTI JOIN stirred(upto(as_of), (SELECT position FROM settling)) USING (project, task)
WHERE newest <= upto(as_of)
UNION ALL FROM task_anew(upto(as_of), (SELECT position FROM settling));
CREATE OR REPLACE MACRO task(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
SELECT * EXCLUDE (
    submitted, priority, deadline, "after", goal, milestone, waits_for, held_at, complexity, readied_at
)
FROM task_whole(as_of);
CREATE OR REPLACE VIEW task AS FROM task();
