-- What candidate policies would have decided, beside what was decided.
CREATE OR REPLACE MACRO shadow(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
SELECT position, project, task, happened_at, body.attempt, body.run, body.was, body.action,
    coalesce(body.differs, false) AS differs, coalesce(body.rule, '') AS rule,
    CASE WHEN body.reasons IS NULL THEN [] ELSE body.reasons END AS reasons,
    body.numbers, coalesce(body.policy_sha256, '') AS policy
FROM told(as_of := as_of)
WHERE type = 'decision.shadowed';
CREATE OR REPLACE VIEW shadow AS FROM shadow();
