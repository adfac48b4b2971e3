CREATE TABLE mail_outbox (
    id         bigint AUTO_INCREMENT PRIMARY KEY,
    email_id   varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL UNIQUE,
    job        longtext CHARACTER SET utf8mb4 NOT NULL,
    created_at timestamp(3) NOT NULL DEFAULT current_timestamp(3),
    put_at     timestamp(3) NULL,
    fault      text,
    INDEX mail_outbox_waiting (put_at, id)
) ENGINE = InnoDB;
