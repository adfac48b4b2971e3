<?php
// Checks the signature of tank-mailer's news (docs/producers.md). Needs nothing but PHP 8.1.

declare(strict_types=1);

const TOLERANCE_S = 300; // Standard Webhooks

/** Gives the news, or throws for what is not tank-mailer's: answer 400. `$body`: file_get_contents('php://input'). */
function verify(string $secret, string $body, array $headers): array
{
    [$id, $sentAt, $signatures] = array_map(
        fn (string $name): string => $headers["webhook-$name"] ?? '',
        ['id', 'timestamp', 'signature'],
    );
    if (!ctype_digit($sentAt) || abs(time() - (int) $sentAt) > TOLERANCE_S) {
        throw new UnexpectedValueException('too old, or too new');
    }
    $key = base64_decode(preg_replace('/^whsec_/', '', $secret), true);
    if ($key === false || $key === '') {
        throw new UnexpectedValueException('the secret is not base64');
    }
    $wanted = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$sentAt.$body", $key, true));
    foreach (explode(' ', $signatures) as $one) {
        if (hash_equals($wanted, $one)) {
            return json_decode($body, true, 16, JSON_THROW_ON_ERROR);
        }
    }
    throw new UnexpectedValueException('not signed with our secret');
}
