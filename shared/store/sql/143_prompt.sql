-- Each prompt as it was prepared: estimated before it was sent, and beside that what the agent reported of its run.
CREATE OR REPLACE MACRO prompt_anew(as_of, since) AS TABLE
WITH past AS MATERIALIZED (
    SELECT position, project, task, happened_at, type, body.attempt, body.run, body.template, body.kind, body.rules,
        body.resume, body.tokens_estimated, body.tokens_by, body.pieces, body.left_out, body.context_tokens,
        body.context_window, body.tokens
    FROM told_anew(as_of, since) WHERE (type IN ('prompt.prepared', 'agent.exited')) IS TRUE
), reported AS (
    SELECT project, task, attempt, run, arg_max(context_tokens, position) AS context_tokens,
        arg_max(context_window, position) AS context_window, arg_max(tokens.input, position) AS input,
        arg_max(tokens.cache_read, position) AS cache_read, arg_max(tokens.cache_write, position) AS cache_write
    FROM past WHERE type = 'agent.exited' GROUP BY ALL
)
SELECT p.position, p.project, p.task, p.happened_at, p.attempt, p.run, p.template, coalesce(p.kind, '') AS kind,
    CASE WHEN p.rules IS NULL THEN [] ELSE p.rules END AS rules,  -- coalesce would copy every list
    coalesce(p.resume, '') <> '' AS resumed, coalesce(p.tokens_estimated, 0) AS tokens_estimated,
    coalesce(p.tokens_by, '') AS tokens_by, CASE WHEN p.pieces IS NULL THEN [] ELSE p.pieces END AS pieces,
    coalesce(len(p.left_out), 0) AS left_out,
    coalesce(r.input, 0) + coalesce(r.cache_read, 0) + coalesce(r.cache_write, 0) AS tokens_reported,
    coalesce(r.context_tokens, 0) AS context_tokens, coalesce(r.context_window, 0) AS context_window
FROM past p LEFT JOIN reported r USING (project, task, attempt, run)
WHERE p.type = 'prompt.prepared';
CREATE OR REPLACE TABLE prompt_settled AS SELECT *, 0::UBIGINT AS newest FROM prompt_anew(0, 0);
CREATE OR REPLACE MACRO prompt(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
SELECT * EXCLUDE (newest)
FROM prompt_settled ANTI JOIN stirred(upto(as_of), (SELECT position FROM settling)) USING (project, task)
WHERE newest <= upto(as_of)
UNION ALL FROM prompt_anew(upto(as_of), (SELECT position FROM settling));
CREATE OR REPLACE VIEW prompt AS FROM prompt();
