-- Each run of each attempt, with its evidence, its score and what was decided.
CREATE OR REPLACE MACRO attempt_anew(as_of, since) AS TABLE
SELECT project, task, body.attempt, body.run,
    coalesce(any_value(body.agent) FILTER (type = 'attempt.started'), '') AS agent,
    coalesce(any_value(body.model) FILTER (type = 'agent.exited'), '') AS model,
    coalesce(any_value(body.sandbox) FILTER (type = 'attempt.started'), '') AS sandbox,
    min(happened_at) FILTER (type = 'attempt.requested') AS requested_at,
    min(happened_at) FILTER (type = 'attempt.started') AS started_at,
    max(happened_at) FILTER (type IN ('attempt.finished', 'attempt.interrupted')) AS ended_at,
    CASE
        WHEN bool_or(type = 'attempt.interrupted') THEN 'interrupted'
        ELSE coalesce(
            arg_max(body.ending, position) FILTER (type = 'attempt.finished'),
            arg_max(body.ending, position) FILTER (type = 'agent.exited')
        )
    END AS ending,
    coalesce(
        any_value(body.reason) FILTER (type = 'attempt.interrupted'),
        any_value(body.detail) FILTER (type = 'agent.exited'), ''
    ) AS detail,
    any_value(body.exit_code) FILTER (type = 'agent.exited') AS exit_code,
    coalesce(any_value(body.turns) FILTER (type = 'agent.exited'), 0) AS turns,
    coalesce(round(sum(body.cost_usd) FILTER (type = 'agent.exited'), 6), 0) AS cost_usd,
    coalesce(any_value(body.duration_ms) FILTER (type = 'agent.exited'), 0) AS agent_ms,
    coalesce(arg_max(body.files_total, position) FILTER (type = 'workspace.checkpointed'), 0) AS files,
    coalesce(arg_max(body.lines_added, position) FILTER (type = 'workspace.checkpointed'), 0) AS lines_added,
    coalesce(arg_max(body.lines_deleted, position) FILTER (type = 'workspace.checkpointed'), 0) AS lines_deleted,
    arg_max(body.commit, position) FILTER (type = 'workspace.checkpointed') AS commit,
    any_value(len(body.checks)) FILTER (type = 'checks.ran') AS checks,
    any_value(body.passed) FILTER (type = 'checks.ran') AS checks_passed,
    arg_max(coalesce(body.quality, 0), position) FILTER (type = 'attempt.scored') AS quality,
    arg_max(coalesce(body.confidence, 0), position) FILTER (type = 'attempt.scored') AS confidence,
    arg_max(body.action, position) FILTER (type = 'decision.made') AS decision,
    max(position) AS position
FROM told_anew(as_of, since)
WHERE (type IN (
        'attempt.requested', 'attempt.started', 'agent.exited', 'workspace.checkpointed', 'checks.ran',
        'attempt.finished', 'attempt.interrupted', 'attempt.reviewed', 'attempt.scored', 'decision.made'
    )) IS TRUE AND body.attempt >= 1 AND body.run >= 1
GROUP BY project, task, body.attempt, body.run;
CREATE OR REPLACE TABLE attempt_settled AS SELECT *, position AS newest FROM attempt_anew(0, 0);
CREATE OR REPLACE MACRO attempt(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
SELECT * EXCLUDE (newest)
FROM attempt_settled ANTI JOIN stirred(upto(as_of), (SELECT position FROM settling)) USING (project, task)
WHERE newest <= upto(as_of)
UNION ALL FROM attempt_anew(upto(as_of), (SELECT position FROM settling));
CREATE OR REPLACE VIEW attempt AS FROM attempt();
