-- Every decision, by rule or by a person, with the numbers it was made on.
CREATE OR REPLACE MACRO decision(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
SELECT position, project, task, happened_at, body.action::VARCHAR AS action,
    TRY_CAST(body.attempt AS BIGINT) AS attempt, TRY_CAST(body.run AS BIGINT) AS run,
    type = 'decision.made' AND coalesce(TRY_CAST(body.counted AS BOOLEAN), true) AS counted,
    CASE WHEN type = 'decision.made' THEN coalesce(TRY_CAST(body.reasons AS VARCHAR[]), [])
        ELSE list_filter([body.reason::VARCHAR], lambda reason: reason <> '') END AS reasons,
    to_json(body.numbers) AS numbers,
    CASE WHEN type = 'decision.made' THEN service ELSE coalesce(body."by"::VARCHAR, '') END AS decided_by
FROM history(as_of := as_of)
WHERE type IN ('decision.made', 'decision.overridden');
CREATE OR REPLACE VIEW decision AS FROM decision();
