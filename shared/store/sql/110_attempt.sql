-- Each run of each attempt, with its evidence, its score and what was decided.
CREATE OR REPLACE MACRO attempt(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
SELECT project, task, TRY_CAST(body.attempt AS BIGINT) AS attempt, TRY_CAST(body.run AS BIGINT) AS run,
    coalesce(any_value(body.agent::VARCHAR) FILTER (type = 'attempt.started'), '') AS agent,
    coalesce(any_value(body.model::VARCHAR) FILTER (type = 'agent.exited'), '') AS model,
    coalesce(any_value(body.sandbox::VARCHAR) FILTER (type = 'attempt.started'), '') AS sandbox,
    min(happened_at) FILTER (type = 'attempt.requested') AS requested_at,
    min(happened_at) FILTER (type = 'attempt.started') AS started_at,
    max(happened_at) FILTER (type IN ('attempt.finished', 'attempt.interrupted')) AS ended_at,
    CASE
        WHEN bool_or(type = 'attempt.interrupted') THEN 'interrupted'
        ELSE coalesce(
            arg_max(body.ending::VARCHAR, position) FILTER (type = 'attempt.finished'),
            arg_max(body.ending::VARCHAR, position) FILTER (type = 'agent.exited')
        )
    END AS ending,
    coalesce(
        any_value(body.reason::VARCHAR) FILTER (type = 'attempt.interrupted'),
        any_value(body.detail::VARCHAR) FILTER (type = 'agent.exited'), ''
    ) AS detail,
    any_value(TRY_CAST(body.exit_code AS BIGINT)) FILTER (type = 'agent.exited') AS exit_code,
    coalesce(any_value(TRY_CAST(body.turns AS BIGINT)) FILTER (type = 'agent.exited'), 0) AS turns,
    coalesce(sum(TRY_CAST(body.cost_usd AS DOUBLE)) FILTER (type = 'agent.exited'), 0) AS cost_usd,
    coalesce(any_value(TRY_CAST(body.duration_ms AS DOUBLE)) FILTER (type = 'agent.exited'), 0) AS agent_ms,
    coalesce(arg_max(TRY_CAST(body.files_total AS BIGINT), position) FILTER (type = 'workspace.checkpointed'), 0) AS files,
    coalesce(arg_max(TRY_CAST(body.lines_added AS BIGINT), position) FILTER (type = 'workspace.checkpointed'), 0) AS lines_added,
    coalesce(arg_max(TRY_CAST(body.lines_deleted AS BIGINT), position) FILTER (type = 'workspace.checkpointed'), 0) AS lines_deleted,
    arg_max(body.commit::VARCHAR, position) FILTER (type = 'workspace.checkpointed') AS commit,
    any_value(TRY_CAST(variant_array_length(body.checks) AS BIGINT)) FILTER (type = 'checks.ran') AS checks,
    any_value(TRY_CAST(body.passed AS BOOLEAN)) FILTER (type = 'checks.ran') AS checks_passed,
    arg_max(coalesce(TRY_CAST(body.quality AS DOUBLE), 0), position) FILTER (type = 'attempt.scored') AS quality,
    arg_max(coalesce(TRY_CAST(body.confidence AS DOUBLE), 0), position) FILTER (type = 'attempt.scored') AS confidence,
    arg_max(body.action::VARCHAR, position) FILTER (type = 'decision.made') AS decision,
    max(position) AS position
FROM history(as_of := as_of)
WHERE type IN (
        'attempt.requested', 'attempt.started', 'agent.exited', 'workspace.checkpointed', 'checks.ran',
        'attempt.finished', 'attempt.interrupted', 'attempt.reviewed', 'attempt.scored', 'decision.made'
    ) AND TRY_CAST(body.attempt AS BIGINT) >= 1 AND TRY_CAST(body.run AS BIGINT) >= 1
GROUP BY project, task, TRY_CAST(body.attempt AS BIGINT), TRY_CAST(body.run AS BIGINT);
CREATE OR REPLACE VIEW attempt AS FROM attempt();
