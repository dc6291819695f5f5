-- Where each task stands: one row a task.
CREATE OR REPLACE MACRO task(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
WITH past AS (FROM history(as_of := as_of)), over AS (
    SELECT project, task, min(position) AS position, arg_min(type[6:], position) AS status,
        arg_min(happened_at, position) AS ended_at
    FROM past WHERE type IN ('task.completed', 'task.failed', 'task.cancelled', 'task.rejected')
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
            WHEN type = 'question.asked' AND coalesce(body."to"::VARCHAR, 'person') = 'person' THEN 'waiting'
            WHEN type = 'task.rolled_back' THEN 'rolled_back'
            WHEN type = 'decision.made' AND body.action::VARCHAR IN ('retry', 'checkpoint', 'wait') THEN 'running'
            WHEN type = 'decision.made' AND body.action::VARCHAR IN ('proceed', 'stop') THEN 'reviewing'
        END AS leads_to
    FROM past p LEFT JOIN over o USING (project, task)
), folded AS (
    SELECT project, task,
        arg_max(leads_to, position) FILTER (leads_to IS NOT NULL) AS led_to,
        max(position) FILTER (leads_to IS NOT NULL) AS led_at,
        max(position) FILTER (type IN ('breakpoint.resolved', 'question.answered')) AS resolved_at,
        arg_min(body.text::VARCHAR, position) FILTER (type = 'task.submitted') AS text,
        arg_min(body.repo::VARCHAR, position) FILTER (type = 'task.submitted') AS repo,
        arg_min(coalesce(body.agent::VARCHAR, 'claude'), position) FILTER (type = 'task.submitted') AS agent,
        min(happened_at) FILTER (type = 'task.submitted') AS submitted_at,
        max(TRY_CAST(body.attempt AS BIGINT)) FILTER (type = 'attempt.started') AS attempts,
        arg_max(body.action::VARCHAR, position) FILTER (type = 'decision.made') AS decision,
        arg_max(coalesce(TRY_CAST(body.quality AS DOUBLE), 0), position) FILTER (
            (type = 'attempt.scored' AND open) OR (type = 'task.completed' AND ends)
        ) AS quality,
        arg_max(coalesce(TRY_CAST(body.confidence AS DOUBLE), 0), position) FILTER (
            (type = 'attempt.scored' AND open) OR (type = 'task.completed' AND ends)
        ) AS confidence,
        arg_max(body.branch::VARCHAR, position) FILTER (
            (type = 'branch.delivered' AND open) OR (type = 'task.completed' AND ends)
        ) AS branch,
        arg_max(body.commit::VARCHAR, position) FILTER (
            (type = 'branch.delivered' AND open) OR (type = 'task.completed' AND ends)
        ) AS commit,
        arg_max(
            CASE WHEN type IN ('task.cancelled', 'task.rolled_back', 'task.held') THEN
                CASE WHEN coalesce(body.reason::VARCHAR, '') = '' THEN [] ELSE [body.reason::VARCHAR] END
            ELSE coalesce(TRY_CAST(body.reasons AS VARCHAR[]), []) END,
            position
        ) FILTER (
            type = 'decision.made'
            OR (type IN ('breakpoint.raised', 'task.rolled_back', 'task.held', 'task.readied') AND open)
            OR (type = 'question.asked' AND open AND len(TRY_CAST(body.reasons AS VARCHAR[])) > 0)
            OR (type IN ('task.failed', 'task.rejected', 'task.cancelled') AND ends)
        ) AS reasons,
        arg_max(
            CASE WHEN body.provider::VARCHAR = 'none' THEN 'none'
            ELSE concat(body.provider::VARCHAR, '/', body.model::VARCHAR) END,
            position
        ) FILTER (type = 'llm.selected') AS llm,
        arg_max(coalesce(body.sandbox::VARCHAR, ''), position) FILTER (type = 'attempt.started') AS sandbox,
        max(position) AS position
    FROM told GROUP BY project, task
), spent AS (
    SELECT project, task, round(sum(TRY_CAST(body.cost_usd AS DOUBLE)), 6) AS cost_usd,
        sum(TRY_CAST(body.tokens.input AS BIGINT))::BIGINT AS tokens_input,
        sum(TRY_CAST(body.tokens.output AS BIGINT))::BIGINT AS tokens_output
    FROM event WHERE type = 'agent.exited' AND problem IS NULL AND position <= as_of GROUP BY ALL
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
    coalesce(f.reasons, []) AS reasons, f.submitted_at, o.ended_at, f.position
FROM folded f LEFT JOIN over o USING (project, task) LEFT JOIN spent s USING (project, task)
WHERE f.submitted_at IS NOT NULL;
CREATE OR REPLACE VIEW task AS FROM task();
