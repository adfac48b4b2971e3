// node put.mjs ENDPOINT QUEUE_URL <jobs.json

import { readFileSync } from "node:fs";
import { SQSClient } from "@aws-sdk/client-sqs";
import { NotPutError, put } from "./producer.mjs";

const [endpoint, queueUrl] = process.argv.slice(2);
const credentials = { accessKeyId: "x", secretAccessKey: "y" };
const sqs = new SQSClient({ endpoint, region: "eu-west-1", credentials });
try {
  const refused = await put(sqs, queueUrl, JSON.parse(readFileSync(0, "utf8")));
  console.log(JSON.stringify({ refused: Object.fromEntries(refused), ended: "put" }));
} catch (error) {
  console.log(JSON.stringify({ refused: {}, ended: error instanceof NotPutError ? "not put" : String(error) }));
}
