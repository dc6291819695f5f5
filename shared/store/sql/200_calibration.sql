-- Each labelled attempt: how sure the scorer was, what was decided, and whether the work was good in the end.
-- A person's label outranks the others; where none has spoken, one bad label is enough.
CREATE OR REPLACE MACRO calibration_anew(as_of, since) AS TABLE
WITH told AS NOT MATERIALIZED (
    FROM told_anew(as_of, since)
), labelled AS MATERIALIZED (
    SELECT position, project, task, happened_at, coalesce(body.attempt, 0) AS attempt, body.good,
        coalesce(body.source, 'person') AS source, coalesce(body.note.text, '') AS note
    FROM told WHERE type = 'task.labelled'
), past AS MATERIALIZED (
    SELECT position, project, task, type, body.attempt, body.run, body.quality, body.confidence, body.confidence_raw,
        body.action, body.agent, body.provider, body.model
    FROM told SEMI JOIN labelled USING (project, task)
    WHERE (type IN (
        'attempt.started', 'agent.exited', 'attempt.scored', 'decision.made', 'llm.selected', 'task.completed'
    )) IS TRUE
), scored AS (
    SELECT project, task, attempt, arg_max(run, position) AS run,
        arg_max(coalesce(quality, 0), position) AS quality,
        arg_max(coalesce(confidence, 0), position) AS confidence,
        arg_max(coalesce(confidence_raw, confidence, 0), position) AS raw,
        max(position) AS scored_at
    FROM past WHERE type = 'attempt.scored' GROUP BY ALL
), ends AS (
    SELECT project, task, arg_max(attempt, position) FILTER (type = 'task.completed') AS accepted,
        max(attempt) FILTER (type = 'attempt.scored') AS newest,
        arg_max(
            CASE WHEN provider = 'none' THEN 'none' ELSE concat(provider, '/', model) END, position
        ) FILTER (type = 'llm.selected') AS llm
    FROM past GROUP BY ALL
), said AS (
    SELECT p.project, p.task, coalesce(nullif(p.attempt, 0), e.accepted, e.newest) AS attempt, e.llm,
        p.source, p.position, p.happened_at, p.good, p.note
    FROM labelled p JOIN ends e USING (project, task)
    QUALIFY row_number() OVER (
        PARTITION BY p.project, p.task, coalesce(nullif(p.attempt, 0), e.accepted, e.newest), source
        ORDER BY p.position DESC
    ) = 1
), label AS (
    SELECT project, task, attempt, any_value(llm) AS llm,
        coalesce(bool_and(good) FILTER (source = 'person'), bool_and(good)) AS good,
        arg_max(source, (source = 'person', NOT good, position)) AS source,
        arg_max(note, (source = 'person', NOT good, position)) AS note,
        max(happened_at) AS labelled_at, max(position) AS position
    FROM said GROUP BY ALL
), decided AS (
    SELECT p.project, p.task, p.attempt, arg_min(p.action, p.position) AS action
    FROM past p JOIN scored s USING (project, task, attempt)
    WHERE p.type = 'decision.made' AND p.position > s.scored_at GROUP BY ALL
), ran AS (
    SELECT project, task, attempt, coalesce(arg_max(past.agent, position) FILTER (type = 'attempt.started'), '') AS agent,
        coalesce(arg_max(past.model, position) FILTER (type = 'agent.exited'), '') AS model
    FROM past WHERE (type IN ('attempt.started', 'agent.exited')) IS TRUE GROUP BY ALL
)
SELECT l.project, l.task, l.attempt, s.run, coalesce(split_part(r.agent, ':', 1), '') AS agent,
    coalesce(r.model, '') AS model, coalesce(l.llm, '') AS llm, s.quality, s.raw, s.confidence, l.good, l.source, l.note,
    CASE d.action WHEN 'proceed' THEN 'accepted' WHEN 'escalate' THEN 'escalated' WHEN 'clarify' THEN 'escalated'
        ELSE 'refused' END AS decided,
    CASE
        WHEN d.action = 'proceed' THEN CASE WHEN l.good THEN 'true accept' ELSE 'false accept' END
        WHEN d.action IN ('escalate', 'clarify') THEN CASE WHEN l.good THEN 'false escalation' ELSE 'true escalation' END
        ELSE CASE WHEN l.good THEN 'false refusal' ELSE 'true refusal' END
    END AS outcome,
    l.labelled_at, l.position
FROM label l JOIN scored s USING (project, task, attempt) LEFT JOIN decided d USING (project, task, attempt)
    LEFT JOIN ran r USING (project, task, attempt);
CREATE OR REPLACE TABLE calibration_settled AS SELECT *, 0::UBIGINT AS newest FROM calibration_anew(0, 0);
CREATE OR REPLACE MACRO calibration(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
SELECT * EXCLUDE (newest)
FROM calibration_settled ANTI JOIN stirred(upto(as_of), (SELECT position FROM settling)) USING (project, task)
WHERE newest <= upto(as_of)
UNION ALL FROM calibration_anew(upto(as_of), (SELECT position FROM settling));
CREATE OR REPLACE VIEW calibration AS FROM calibration();
