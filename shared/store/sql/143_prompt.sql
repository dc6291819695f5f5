-- Each prompt as it was prepared: estimated before it was sent, and beside that what the agent reported of its run.
CREATE OR REPLACE MACRO prompt_anew(as_of, since) AS TABLE
WITH told AS NOT MATERIALIZED (
    FROM told_anew(as_of, since)
), reported AS (
    SELECT project, task, body.attempt, body.run, arg_max(body.context_tokens, position) AS context_tokens,
        arg_max(body.context_window, position) AS context_window, arg_max(body.tokens.input, position) AS input,
        arg_max(body.tokens.cache_read, position) AS cache_read,
        arg_max(body.tokens.cache_write, position) AS cache_write
    FROM told WHERE type = 'agent.exited' GROUP BY ALL
)
SELECT p.position, p.project, p.task, p.happened_at, p.body.attempt, p.body.run, p.body.template,
    coalesce(p.body.kind, '') AS kind,
    CASE WHEN p.body.rules IS NULL THEN [] ELSE p.body.rules END AS rules,  -- coalesce would copy every list
    coalesce(p.body.resume, '') <> '' AS resumed, coalesce(p.body.tokens_estimated, 0) AS tokens_estimated,
    coalesce(p.body.tokens_by, '') AS tokens_by, CASE WHEN p.body.pieces IS NULL THEN [] ELSE p.body.pieces END AS pieces,
    coalesce(len(p.body.left_out), 0) AS left_out,
    coalesce(r.input, 0) + coalesce(r.cache_read, 0) + coalesce(r.cache_write, 0) AS tokens_reported,
    coalesce(r.context_tokens, 0) AS context_tokens, coalesce(r.context_window, 0) AS context_window
FROM told p LEFT JOIN reported r
    ON r.project = p.project AND r.task = p.task AND r.attempt = p.body.attempt AND r.run = p.body.run
WHERE p.type = 'prompt.prepared';
CREATE OR REPLACE TABLE prompt_settled AS SELECT *, 0::UBIGINT AS newest FROM prompt_anew(0, 0);
CREATE OR REPLACE MACRO prompt(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
SELECT * EXCLUDE (newest)
FROM prompt_settled ANTI JOIN stirred(upto(as_of), (SELECT position FROM settling)) USING (project, task)
WHERE newest <= upto(as_of)
UNION ALL FROM prompt_anew(upto(as_of), (SELECT position FROM settling));
CREATE OR REPLACE VIEW prompt AS FROM prompt();
