-- The log. Rows are added, never changed; log-sink is the only writer.
-- `raw` holds the message's bytes as they came and `hash` chains them: sha256(hash before || position || raw).
-- `body` is the event object with secrets taken out; a field that is missing in it has its default.
CREATE TABLE IF NOT EXISTS event (
    position    UBIGINT NOT NULL,  -- JetStream sequence
    id          UUID,
    project     VARCHAR,
    task        VARCHAR,
    type        VARCHAR,
    happened_at TIMESTAMPTZ,
    cause       UUID,
    correlation UUID,
    service     VARCHAR,
    body        VARIANT,
    raw         BLOB NOT NULL USING COMPRESSION zstd,  -- trying others first costs more than all else
    hash        BLOB NOT NULL,
    problem     VARCHAR,           -- why the message is no event; null for an event
    stored_at   TIMESTAMPTZ NOT NULL
);
-- How far the log reaches, written with the rows in one transaction.
CREATE TABLE IF NOT EXISTS sink (watermark UBIGINT NOT NULL, schema UINTEGER NOT NULL, views VARCHAR NOT NULL);
