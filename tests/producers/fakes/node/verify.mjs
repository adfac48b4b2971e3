// node verify.mjs [SECRET ID TIMESTAMP SIGNATURES BODY_IN_BASE64]...

import { verify } from "./webhook.mjs";

const given = process.argv.slice(2);
while (given.length > 0) {
  const [secret, id, timestamp, signatures, body] = given.splice(0, 5);
  const headers = { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures };
  try {
    console.log(verify(secret, Buffer.from(body, "base64"), headers).data.email_id);
  } catch {
    console.log("refused");
  }
}
