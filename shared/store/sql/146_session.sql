-- Each task's session: whether it is shared, how full the agent's context became, and how often it began afresh.
CREATE OR REPLACE MACRO session(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
SELECT project, task, any_value(body.session::VARCHAR) AS session, any_value(body.session::VARCHAR) <> '1' AS shared,
    min(happened_at) FILTER (type = 'session.opened') AS opened_at,
    max(happened_at) FILTER (type = 'session.closed') AS closed_at,
    count(*) FILTER (type = 'session.warned') AS warnings,
    coalesce(max(TRY_CAST(body.used AS DOUBLE)) FILTER (type IN ('session.warned', 'session.refreshed')), 0) AS used_max,
    count(*) FILTER (type = 'session.refreshed') AS refreshes,
    count(*) FILTER (type = 'session.refreshed' AND TRY_CAST(body.emergency AS BOOLEAN)) AS emergencies,
    count(*) FILTER (type = 'session.refreshed' AND body.by::VARCHAR = 'extract') AS extracts,
    coalesce(max(len(TRY_CAST(body.briefings AS VARIANT[]))) FILTER (type = 'session.briefed'), 0) AS briefings
FROM history(as_of := as_of)
WHERE type IN ('session.opened', 'session.briefed', 'session.warned', 'session.refreshed', 'session.closed')
GROUP BY project, task;
CREATE OR REPLACE VIEW session AS FROM session();
