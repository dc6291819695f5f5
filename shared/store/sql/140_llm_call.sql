-- Each question to the reviewing LLM and what came back.
CREATE OR REPLACE MACRO llm_call(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
SELECT position, project, task, happened_at, TRY_CAST(body.attempt AS BIGINT) AS attempt, TRY_CAST(body.run AS BIGINT) AS run,
    CASE type WHEN 'attempt.reviewed' THEN 'review' ELSE 'advice' END AS purpose,
    coalesce(body.provider::VARCHAR, '') AS provider, coalesce(body.model::VARCHAR, '') AS model,
    coalesce(TRY_CAST(body.usable AS BOOLEAN), true) AS usable, coalesce(body.reason::VARCHAR, '') AS reason,
    CASE WHEN type = 'attempt.reviewed' THEN coalesce(TRY_CAST(body.approves AS BOOLEAN), false) END AS approves,
    CASE WHEN type = 'attempt.reviewed' THEN coalesce(TRY_CAST(body.quality AS DOUBLE), 0) END AS quality,
    coalesce(TRY_CAST(body.tokens.input AS BIGINT), 0) AS tokens_input, coalesce(TRY_CAST(body.tokens.output AS BIGINT), 0) AS tokens_output,
    coalesce(TRY_CAST(body.duration_ms AS DOUBLE), 0) AS duration_ms
FROM history(as_of := as_of)
WHERE type IN ('attempt.reviewed', 'prompt.enhanced');
CREATE OR REPLACE VIEW llm_call AS FROM llm_call();
