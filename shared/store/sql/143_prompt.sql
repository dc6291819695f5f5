-- Each prompt as it was prepared: estimated before it was sent, and beside that what the agent reported of its run.
CREATE OR REPLACE MACRO prompt(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
WITH log AS MATERIALIZED (
    SELECT position, project, task, type, happened_at, body, TRY_CAST(body.attempt AS BIGINT) AS attempt,
        TRY_CAST(body.run AS BIGINT) AS run
    FROM history(as_of := as_of) WHERE type IN ('prompt.prepared', 'agent.exited')
), reported AS (
    SELECT project, task, attempt, run, arg_max(TRY_CAST(body.context_tokens AS BIGINT), position) AS context_tokens,
        arg_max(TRY_CAST(body.context_window AS BIGINT), position) AS context_window,
        arg_max(TRY_CAST(body.tokens.input AS BIGINT), position) AS input,
        arg_max(TRY_CAST(body.tokens.cache_read AS BIGINT), position) AS cache_read,
        arg_max(TRY_CAST(body.tokens.cache_write AS BIGINT), position) AS cache_write
    FROM log WHERE type = 'agent.exited' GROUP BY ALL
)
SELECT log.position, project, task, log.happened_at, attempt, run, log.body.template::VARCHAR AS template,
    coalesce(log.body.kind::VARCHAR, '') AS kind, coalesce(TRY_CAST(log.body.rules AS VARCHAR[]), []) AS rules,
    coalesce(log.body.resume::VARCHAR, '') <> '' AS resumed,
    coalesce(TRY_CAST(log.body.tokens_estimated AS BIGINT), 0) AS tokens_estimated,
    coalesce(log.body.tokens_by::VARCHAR, '') AS tokens_by,
    coalesce(TRY_CAST(log.body.pieces AS VARCHAR[]), []) AS pieces,
    coalesce(len(TRY_CAST(log.body.left_out AS VARIANT[])), 0) AS left_out,
    coalesce(reported.input, 0) + coalesce(cache_read, 0) + coalesce(cache_write, 0) AS tokens_reported,
    coalesce(reported.context_tokens, 0) AS context_tokens, coalesce(reported.context_window, 0) AS context_window
FROM log LEFT JOIN reported USING (project, task, attempt, run)
WHERE log.type = 'prompt.prepared';
CREATE OR REPLACE VIEW prompt AS FROM prompt();
