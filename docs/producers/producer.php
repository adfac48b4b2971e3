<?php
// Puts e-mail jobs on tank-mailer's queue, ten in a call (docs/producers.md). Needs PHP 8.1, aws/aws-sdk-php.

declare(strict_types=1);

use Aws\Sqs\SqsClient;

/** Some jobs may not be on the queue: put them again, under the same ids. */
final class NotPut extends RuntimeException
{
}

/** Names a mail by what it is about and what it is for: email_id("order", 4711, "confirmation"). */
function email_id(string|int ...$parts): string
{
    return implode('-', $parts);
}

final class Producer
{
    private const MAX_ENTRIES = 10; // SQS: of one call
    private const MAX_BYTES = 1_048_576; // of a job, and of one call; 262_144 on a queue from before August 2025
    private const WAITS_MS = [200, 1_000, 3_000]; // between tries

    public function __construct(private readonly SqsClient $sqs, private readonly string $queueUrl)
    {
    }

    /** Puts jobs on the queue; what SQS never takes comes back: email_id to why. Throws for all else: put again. */
    public function put(array $jobs): array
    {
        $refused = [];
        foreach ($this->batches($jobs, $refused) as $batch) {
            $this->putBatch($batch, $refused);
        }
        return $refused;
    }

    /** Up to ten in one call, and again those that it did not take: HTTP 200 does not mean that it took all. */
    private function putBatch(array $waiting, array &$refused): void
    {
        foreach ([...self::WAITS_MS, null] as $waitMs) {
            $entries = [];
            foreach ($waiting as $number => [, $body]) { // an Id may not be an email_id: 80 letters, digits, - and _
                $entries[] = ['Id' => (string) $number, 'MessageBody' => $body];
            }
            $answer = $this->sqs->sendMessageBatch(['QueueUrl' => $this->queueUrl, 'Entries' => $entries]);
            foreach ($answer['Successful'] ?? [] as $entry) {
                unset($waiting[(int) $entry['Id']]);
            }
            foreach ($answer['Failed'] ?? [] as $entry) {
                if ($entry['SenderFault']) { // a character that SQS does not take: never
                    $refused[$waiting[(int) $entry['Id']][0]] = $entry['Code'] . ': ' . ($entry['Message'] ?? '');
                    unset($waiting[(int) $entry['Id']]);
                }
            }
            if ($waiting === []) {
                return;
            }
            if ($waitMs !== null) {
                usleep($waitMs * 1_000);
            }
        }
        throw new NotPut(count($waiting) . ' jobs are not on the queue; refused: ' . json_encode($refused));
    }

    /** Ten at most, and no more bytes than a call takes. */
    private function batches(array $jobs, array &$refused): iterable
    {
        $batch = [];
        $size = 0;
        foreach ($jobs as $job) {
            $body = json_encode($job, JSON_THROW_ON_ERROR);
            if (strlen($body) > self::MAX_BYTES) {
                $refused[$job['email_id']] = 'TooLarge: ' . strlen($body) . ' bytes of ' . self::MAX_BYTES;
                continue;
            }
            if ($batch !== [] && (count($batch) === self::MAX_ENTRIES || $size + strlen($body) > self::MAX_BYTES)) {
                yield $batch;
                $batch = [];
                $size = 0;
            }
            $batch[] = [$job['email_id'], $body];
            $size += strlen($body);
        }
        if ($batch !== []) {
            yield $batch;
        }
    }
}
