-- Each task's session: whether it is shared, how full the agent's context became, and how often it began afresh.
CREATE OR REPLACE MACRO session_anew(as_of, since) AS TABLE
SELECT project, task, arg_max(body.session, position) AS session, arg_max(body.session, position) <> '1' AS shared,
    min(CASE type WHEN 'session.opened' THEN happened_at END) AS opened_at,
    max(CASE type WHEN 'session.closed' THEN happened_at END) AS closed_at,
    countif(type = 'session.warned')::BIGINT AS warnings,
    coalesce(max(CASE WHEN type IN ('session.warned', 'session.refreshed') THEN body.used END), 0) AS used_max,
    countif(type = 'session.refreshed')::BIGINT AS refreshes,
    countif(type = 'session.refreshed' AND coalesce(body.emergency, false))::BIGINT AS emergencies,
    countif(type = 'session.refreshed' AND coalesce(body."by", '') = 'extract')::BIGINT AS extracts,
    coalesce(max(CASE type WHEN 'session.briefed' THEN len(body.briefings) END), 0) AS briefings,
    max(position) AS position
FROM told_anew(as_of, since)
WHERE (type IN ('session.opened', 'session.briefed', 'session.warned', 'session.refreshed', 'session.closed')) IS TRUE
GROUP BY project, task;
CREATE OR REPLACE TABLE session_settled AS SELECT *, 0::UBIGINT AS newest FROM session_anew(0, 0);
CREATE OR REPLACE MACRO session(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
SELECT * EXCLUDE (newest)
FROM session_settled ANTI JOIN stirred(upto(as_of), (SELECT position FROM settling)) USING (project, task)
WHERE newest <= upto(as_of)
UNION ALL FROM session_anew(upto(as_of), (SELECT position FROM settling));
CREATE OR REPLACE VIEW session AS FROM session();
