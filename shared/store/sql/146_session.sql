-- Each task's session: whether it is shared, how full the agent's context became, and how often it began afresh.
CREATE OR REPLACE MACRO session(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
SELECT project, task, any_value(body.session) AS session, any_value(body.session) <> '1' AS shared,
    min(happened_at) FILTER (type = 'session.opened') AS opened_at,
    max(happened_at) FILTER (type = 'session.closed') AS closed_at,
    count(*) FILTER (type = 'session.warned') AS warnings,
    coalesce(max(body.used) FILTER (type IN ('session.warned', 'session.refreshed')), 0) AS used_max,
    count(*) FILTER (type = 'session.refreshed') AS refreshes,
    count(*) FILTER (type = 'session.refreshed' AND body.emergency) AS emergencies,
    count(*) FILTER (type = 'session.refreshed' AND body."by" = 'extract') AS extracts,
    coalesce(max(len(body.briefings)) FILTER (type = 'session.briefed'), 0) AS briefings
FROM told(as_of := as_of)
WHERE type IN ('session.opened', 'session.briefed', 'session.warned', 'session.refreshed', 'session.closed')
GROUP BY project, task;
CREATE OR REPLACE VIEW session AS FROM session();
