CREATE TABLE mail_outbox (
    id         integer PRIMARY KEY AUTOINCREMENT,
    email_id   text NOT NULL UNIQUE,
    job        text NOT NULL,
    created_at text NOT NULL DEFAULT current_timestamp,
    put_at     text,
    fault      text
);
CREATE INDEX mail_outbox_waiting ON mail_outbox (id) WHERE put_at IS NULL AND fault IS NULL;
