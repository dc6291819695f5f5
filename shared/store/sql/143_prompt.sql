-- Each prompt as it was prepared: estimated before it was sent, and beside that what the agent reported of its run.
CREATE OR REPLACE MACRO prompt(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
WITH log AS MATERIALIZED (
    SELECT position, project, task, type, happened_at, body, body.attempt, body.run
    FROM told(as_of := as_of) WHERE type IN ('prompt.prepared', 'agent.exited')
), reported AS (
    SELECT project, task, attempt, run, arg_max(body.context_tokens, position) AS context_tokens,
        arg_max(body.context_window, position) AS context_window, arg_max(body.tokens.input, position) AS input,
        arg_max(body.tokens.cache_read, position) AS cache_read,
        arg_max(body.tokens.cache_write, position) AS cache_write
    FROM log WHERE type = 'agent.exited' GROUP BY ALL
)
SELECT log.position, project, task, log.happened_at, attempt, run, log.body.template,
    coalesce(log.body.kind, '') AS kind, coalesce(log.body.rules, []) AS rules,
    coalesce(log.body.resume, '') <> '' AS resumed, coalesce(log.body.tokens_estimated, 0) AS tokens_estimated,
    coalesce(log.body.tokens_by, '') AS tokens_by, coalesce(log.body.pieces, []) AS pieces,
    coalesce(len(log.body.left_out), 0) AS left_out,
    coalesce(reported.input, 0) + coalesce(cache_read, 0) + coalesce(cache_write, 0) AS tokens_reported,
    coalesce(reported.context_tokens, 0) AS context_tokens, coalesce(reported.context_window, 0) AS context_window
FROM log LEFT JOIN reported USING (project, task, attempt, run)
WHERE log.type = 'prompt.prepared';
CREATE OR REPLACE VIEW prompt AS FROM prompt();
