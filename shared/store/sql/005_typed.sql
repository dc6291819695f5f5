-- Every event once more, narrow: the fields that views read, typed once on the way in. Reading them out of `body` for
-- each question costs a hundred times as much. A view may read a field here once it stands below.
CREATE OR REPLACE MACRO typed_body(body) AS from_json(body, '{
    "attempt": "BIGINT", "run": "BIGINT", "action": "VARCHAR", "counted": "BOOLEAN", "reasons": ["VARCHAR"],
    "reason": "VARCHAR", "by": "VARCHAR", "numbers": "JSON", "to": "VARCHAR", "agent": "VARCHAR", "model": "VARCHAR",
    "sandbox": "VARCHAR", "ending": "VARCHAR", "detail": "VARCHAR", "exit_code": "BIGINT", "turns": "BIGINT",
    "cost_usd": "DOUBLE", "budget_usd": "DOUBLE", "duration_ms": "DOUBLE",
    "tokens": {"input": "BIGINT", "output": "BIGINT", "cache_read": "BIGINT", "cache_write": "BIGINT"},
    "files_total": "BIGINT", "lines_added": "BIGINT", "lines_deleted": "BIGINT", "commit": "VARCHAR",
    "branch": "VARCHAR", "passed": "BOOLEAN", "quality": "DOUBLE", "confidence": "DOUBLE",
    "checks": [{"command": "VARCHAR", "exit_code": "BIGINT", "timed_out": "BOOLEAN", "duration_ms": "DOUBLE",
        "output": {"text": "VARCHAR"}}],
    "session": "VARCHAR", "used": "DOUBLE", "emergency": "BOOLEAN", "briefings": ["JSON"],
    "findings": [{"kind": "VARCHAR", "detail": "VARCHAR", "path": "VARCHAR", "blocks": "BOOLEAN"}],
    "provider": "VARCHAR", "usable": "BOOLEAN", "approves": "BOOLEAN", "text": "VARCHAR", "repo": "VARCHAR",
    "service": "VARCHAR", "lacking": "VARCHAR", "subject": "VARCHAR", "consumer": "VARCHAR", "rule": "VARCHAR", "name": "VARCHAR", "severity": "VARCHAR",
    "question": "VARCHAR", "breakpoint": "VARCHAR",
    "claims": [{"kind": "VARCHAR", "text": "VARCHAR", "verdict": "VARCHAR", "evidence": "VARCHAR"}],
    "claim": "VARCHAR", "evidence": "VARCHAR", "kind": "VARCHAR", "confidence_raw": "DOUBLE", "good": "BOOLEAN",
    "source": "VARCHAR", "note": {"text": "VARCHAR"},
    "template": "VARCHAR", "rules": ["VARCHAR"], "resume": "VARCHAR", "tokens_estimated": "BIGINT",
    "tokens_by": "VARCHAR", "pieces": ["VARCHAR"], "left_out": ["JSON"], "context_tokens": "BIGINT",
    "context_window": "BIGINT", "was": "VARCHAR", "differs": "BOOLEAN", "policy_sha256": "VARCHAR",
    "priority": "BIGINT", "deadline": "VARCHAR", "after": ["VARCHAR"], "goal": "VARCHAR", "milestone": "VARCHAR",
    "waits_for": "VARCHAR", "complexity": {"total": "BIGINT"}, "resolution": "VARCHAR"
}');
-- `cause_type` and `hop_us`: what kind of event this one answers, and how much later it was said, microseconds.
CREATE OR REPLACE TABLE typed AS
SELECT position, project, task, type, happened_at, service, NULL::VARCHAR AS cause_type, NULL::BIGINT AS hop_us,
    typed_body('{}') AS body
FROM event LIMIT 0;
