-- Each question to the reviewing LLM and what came back.
CREATE OR REPLACE MACRO llm_call(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
SELECT position, project, task, happened_at, body.attempt, body.run,
    CASE type WHEN 'attempt.reviewed' THEN 'review' ELSE 'advice' END AS purpose,
    coalesce(body.provider, '') AS provider, coalesce(body.model, '') AS model,
    coalesce(body.usable, true) AS usable, coalesce(body.reason, '') AS reason,
    CASE WHEN type = 'attempt.reviewed' THEN coalesce(body.approves, false) END AS approves,
    CASE WHEN type = 'attempt.reviewed' THEN coalesce(body.quality, 0) END AS quality,
    coalesce(body.tokens.input, 0) AS tokens_input, coalesce(body.tokens.output, 0) AS tokens_output,
    coalesce(body.duration_ms, 0) AS duration_ms
FROM told(as_of := as_of)
WHERE (type IN ('attempt.reviewed', 'prompt.enhanced')) IS TRUE;
CREATE OR REPLACE VIEW llm_call AS FROM llm_call();
