SELECT id, email_id, job FROM mail_outbox WHERE put_at IS NULL AND fault IS NULL
    ORDER BY id LIMIT 10 FOR UPDATE SKIP LOCKED;
UPDATE mail_outbox SET put_at = current_timestamp WHERE id = :id;
