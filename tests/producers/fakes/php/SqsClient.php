<?php
// As much of aws/aws-sdk-php as the example asks for; the call itself goes over HTTP, as the real one's does.

namespace Aws\Sqs;

final class SqsClient
{
    public function __construct(private readonly array $options)
    {
    }

    public function sendMessageBatch(array $input): \ArrayObject
    {
        $headers = "Content-Type: application/x-amz-json-1.0\r\nX-Amz-Target: AmazonSQS.SendMessageBatch";
        $http = ['method' => 'POST', 'header' => $headers, 'content' => json_encode($input)];
        $answer = file_get_contents($this->options['endpoint'], false, stream_context_create(['http' => $http]));
        return new \ArrayObject(json_decode($answer, true));
    }
}
