-- Tokens as the agent and the LLM reported them, one row a report. Rolled back or not: they were used.
CREATE OR REPLACE MACRO token(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
SELECT position, project, task, happened_at, body.attempt, body.run,
    CASE type WHEN 'agent.exited' THEN 'agent' WHEN 'attempt.reviewed' THEN 'review' ELSE 'advice' END AS used_by,
    coalesce(body.model, '') AS model,
    coalesce(body.tokens.input, 0) AS input, coalesce(body.tokens.output, 0) AS output,
    coalesce(body.tokens.cache_read, 0) AS cache_read,
    coalesce(body.tokens.cache_write, 0) AS cache_write
FROM typed
WHERE position <= as_of AND (type IN ('agent.exited', 'attempt.reviewed', 'prompt.enhanced')) IS TRUE;
CREATE OR REPLACE VIEW token AS FROM token();
