<?php
// php verify.php [SECRET ID TIMESTAMP SIGNATURES BODY_IN_BASE64]...

require __DIR__ . '/webhook.php';

foreach (array_chunk(array_slice($argv, 1), 5) as [$secret, $id, $timestamp, $signatures, $body]) {
    $headers = ['webhook-id' => $id, 'webhook-timestamp' => $timestamp, 'webhook-signature' => $signatures];
    try {
        echo verify($secret, base64_decode($body), $headers)['data']['email_id'], "\n";
    } catch (UnexpectedValueException) {
        echo "refused\n";
    }
}
