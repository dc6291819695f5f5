-- What candidate policies would have decided, beside what was decided.
CREATE OR REPLACE MACRO shadow(as_of := coalesce(getvariable('as_of')::UBIGINT, 18446744073709551615)) AS TABLE
SELECT position, project, task, happened_at, TRY_CAST(body.attempt AS BIGINT) AS attempt,
    TRY_CAST(body.run AS BIGINT) AS run, body.was::VARCHAR AS was, body.action::VARCHAR AS action,
    coalesce(TRY_CAST(body.differs AS BOOLEAN), false) AS differs, coalesce(body.rule::VARCHAR, '') AS rule,
    coalesce(TRY_CAST(body.reasons AS VARCHAR[]), []) AS reasons, to_json(body.numbers) AS numbers,
    coalesce(body.policy_sha256::VARCHAR, '') AS policy
FROM history(as_of := as_of)
WHERE type = 'decision.shadowed';
CREATE OR REPLACE VIEW shadow AS FROM shadow();
