// Puts e-mail jobs on tank-mailer's queue, ten in a call (docs/producers.md). Needs @aws-sdk/client-sqs.

import { SendMessageBatchCommand } from "@aws-sdk/client-sqs";
import { setTimeout as wait } from "node:timers/promises";

const MAX_ENTRIES = 10; // SQS: of one call
const MAX_BYTES = 1_048_576; // of a job, and of one call together; 262_144 on a queue from before August 2025
const WAITS_MS = [200, 1_000, 3_000]; // between tries

/** Some jobs may not be on the queue: put them again, under the same ids. */
export class NotPutError extends Error {}

/** Name a mail by what it is about and what it is for: emailId("order", 4711, "confirmation"). */
export const emailId = (...parts) => parts.join("-");

/** Put jobs on the queue; what SQS never takes comes back: email_id to why. Throws for all else: put them again. */
export async function put(sqs, queueUrl, jobs) {
  const refused = new Map();
  for (const batch of batches(jobs, refused)) await putBatch(sqs, queueUrl, batch, refused);
  return refused;
}

/** Up to ten in one call, and again those that it did not take: HTTP 200 does not mean that it took all. */
async function putBatch(sqs, queueUrl, batch, refused) {
  // An entry's Id may not be an email_id: 80 letters, digits, - and _.
  const waiting = new Map(batch.map((job, number) => [String(number), job]));
  for (const waitMs of [...WAITS_MS, null]) {
    const Entries = [...waiting].map(([Id, { body }]) => ({ Id, MessageBody: body }));
    const answer = await sqs.send(new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries }));
    for (const { Id } of answer.Successful ?? []) waiting.delete(Id);
    for (const { Id, SenderFault, Code, Message } of answer.Failed ?? []) {
      if (!SenderFault) continue; // passing
      refused.set(waiting.get(Id).name, `${Code}: ${Message ?? ""}`); // a bad character: never
      waiting.delete(Id);
    }
    if (waiting.size === 0) return;
    if (waitMs !== null) await wait(waitMs);
  }
  throw new NotPutError(`${waiting.size} of ${batch.length} jobs are not on the queue; refused: ${[...refused]}`);
}

/** Ten at most, and no more bytes than a call takes. */
function* batches(jobs, refused) {
  let batch = [];
  let size = 0;
  for (const job of jobs) {
    const body = JSON.stringify(job);
    const bytes = Buffer.byteLength(body);
    if (bytes > MAX_BYTES) {
      refused.set(job.email_id, `TooLarge: ${bytes} bytes of ${MAX_BYTES}`);
      continue;
    }
    if (batch.length > 0 && (batch.length === MAX_ENTRIES || size + bytes > MAX_BYTES)) {
      yield batch;
      batch = [];
      size = 0;
    }
    batch.push({ name: job.email_id, body });
    size += bytes;
  }
  if (batch.length > 0) yield batch;
}
