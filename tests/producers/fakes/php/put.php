<?php
// php put.php ENDPOINT QUEUE_URL <jobs.json

require __DIR__ . '/SqsClient.php';
require __DIR__ . '/producer.php';

$sqs = new Aws\Sqs\SqsClient(['endpoint' => $argv[1], 'region' => 'eu-west-1']);
try {
    $refused = (new Producer($sqs, $argv[2]))->put(json_decode(stream_get_contents(STDIN), true));
    echo json_encode(['refused' => (object) $refused, 'ended' => 'put']);
} catch (NotPut) {
    echo json_encode(['refused' => (object) [], 'ended' => 'not put']);
}
