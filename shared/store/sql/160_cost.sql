-- What each task has cost so far, all runs together. Rolled back or not: it was spent.
CREATE OR REPLACE MACRO cost(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
SELECT project, task,
    count(*) FILTER (type = 'agent.exited') AS runs,
    coalesce(round(sum(body.cost_usd) FILTER (type = 'agent.exited'), 6), 0) AS cost_usd,
    arg_min(body.budget_usd, position) FILTER (type = 'task.submitted') AS budget_usd,
    coalesce(sum(body.tokens.input) FILTER (type = 'agent.exited'), 0)::BIGINT AS tokens_input,
    coalesce(sum(body.tokens.output) FILTER (type = 'agent.exited'), 0)::BIGINT AS tokens_output,
    coalesce(sum(body.tokens.cache_read) FILTER (type = 'agent.exited'), 0)::BIGINT AS tokens_cache_read,
    coalesce(sum(body.tokens.cache_write) FILTER (type = 'agent.exited'), 0)::BIGINT AS tokens_cache_write,
    coalesce(round(sum(body.duration_ms) FILTER (type = 'agent.exited'), 3), 0) AS agent_ms
FROM typed
WHERE position <= as_of AND (type IN ('task.submitted', 'agent.exited')) IS TRUE
GROUP BY project, task;
CREATE OR REPLACE VIEW cost AS FROM cost();
