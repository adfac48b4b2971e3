// As much of @aws-sdk/client-sqs as the example asks for; the call itself goes over HTTP, as the real one's does.

export class SendMessageBatchCommand {
  constructor(input) {
    this.input = input;
  }
}

export class SQSClient {
  constructor({ endpoint }) {
    this.endpoint = endpoint;
  }

  async send({ input }) {
    const headers = { "content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.SendMessageBatch" };
    const answer = await fetch(this.endpoint, { method: "POST", headers, body: JSON.stringify(input) });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    return answer.json();
  }
}
