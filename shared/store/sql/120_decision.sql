-- Every decision, by rule or by a person, with the numbers it was made on.
CREATE OR REPLACE MACRO decision(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
SELECT position, project, task, happened_at, body.action, body.attempt, body.run,
    type = 'decision.made' AND coalesce(body.counted, true) AS counted,
    CASE WHEN type = 'decision.made' AND body.reasons IS NOT NULL THEN body.reasons
        WHEN type = 'decision.made' THEN []
        ELSE list_filter([body.reason], lambda reason: reason <> '') END AS reasons,
    coalesce(body.rule, '') AS rule, body.numbers,
    CASE WHEN type = 'decision.made' THEN service ELSE coalesce(body."by", '') END AS decided_by
FROM told(as_of := as_of)
WHERE (type IN ('decision.made', 'decision.overridden')) IS TRUE;
CREATE OR REPLACE VIEW decision AS FROM decision();
