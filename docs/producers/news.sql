CREATE TABLE mail_news (
    webhook_id varchar(64) NOT NULL PRIMARY KEY
);
CREATE TABLE mail_status (
    email_id  varchar(255) NOT NULL,
    recipient varchar(320) NOT NULL,
    state     varchar(16) NOT NULL,
    status    varchar(16),
    told_at   varchar(24)  NOT NULL,
    PRIMARY KEY (email_id, recipient)
);
