-- What each task has cost so far, all runs together. Rolled back or not: it was spent.
CREATE OR REPLACE MACRO cost(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
SELECT project, task,
    count(*) FILTER (type = 'agent.exited') AS runs,
    coalesce(round(sum(TRY_CAST(body.cost_usd AS DOUBLE)) FILTER (type = 'agent.exited'), 6), 0) AS cost_usd,
    arg_min(TRY_CAST(body.budget_usd AS DOUBLE), position) FILTER (type = 'task.submitted') AS budget_usd,
    coalesce(sum(TRY_CAST(body.tokens.input AS BIGINT)) FILTER (type = 'agent.exited'), 0)::BIGINT AS tokens_input,
    coalesce(sum(TRY_CAST(body.tokens.output AS BIGINT)) FILTER (type = 'agent.exited'), 0)::BIGINT AS tokens_output,
    coalesce(sum(TRY_CAST(body.tokens.cache_read AS BIGINT)) FILTER (type = 'agent.exited'), 0)::BIGINT AS tokens_cache_read,
    coalesce(sum(TRY_CAST(body.tokens.cache_write AS BIGINT)) FILTER (type = 'agent.exited'), 0)::BIGINT AS tokens_cache_write,
    coalesce(sum(TRY_CAST(body.duration_ms AS DOUBLE)) FILTER (type = 'agent.exited'), 0) AS agent_ms
FROM event
WHERE position <= as_of AND type IN ('task.submitted', 'agent.exited') AND body IS NOT NULL
GROUP BY project, task;
CREATE OR REPLACE VIEW cost AS FROM cost();
