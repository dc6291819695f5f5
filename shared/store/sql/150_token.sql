-- Tokens as the agent and the LLM reported them, one row a report. Rolled back or not: they were used.
CREATE OR REPLACE MACRO token(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
SELECT position, project, task, happened_at, TRY_CAST(body.attempt AS BIGINT) AS attempt, TRY_CAST(body.run AS BIGINT) AS run,
    CASE type WHEN 'agent.exited' THEN 'agent' WHEN 'attempt.reviewed' THEN 'review' ELSE 'advice' END AS used_by,
    coalesce(body.model::VARCHAR, '') AS model,
    coalesce(TRY_CAST(body.tokens.input AS BIGINT), 0) AS input, coalesce(TRY_CAST(body.tokens.output AS BIGINT), 0) AS output,
    coalesce(TRY_CAST(body.tokens.cache_read AS BIGINT), 0) AS cache_read,
    coalesce(TRY_CAST(body.tokens.cache_write AS BIGINT), 0) AS cache_write
FROM event
WHERE position <= as_of AND type IN ('agent.exited', 'attempt.reviewed', 'prompt.enhanced') AND body IS NOT NULL;
CREATE OR REPLACE VIEW token AS FROM token();
