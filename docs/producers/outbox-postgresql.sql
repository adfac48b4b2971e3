CREATE TABLE mail_outbox (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email_id   varchar(255) NOT NULL UNIQUE,
    job        text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    put_at     timestamptz,
    fault      text
);
CREATE INDEX mail_outbox_waiting ON mail_outbox (id) WHERE put_at IS NULL AND fault IS NULL;
