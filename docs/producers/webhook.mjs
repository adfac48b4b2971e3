// Checks the signature of tank-mailer's news (docs/producers.md). Needs nothing but Node.

import { createHmac, timingSafeEqual } from "node:crypto";

const TOLERANCE_S = 300; // Standard Webhooks

/** Give the news, or throw for what is not tank-mailer's: answer 400. `body` is a Buffer, as it came. */
export function verify(secret, body, headers) {
  const [id, sentAt, signatures] = ["id", "timestamp", "signature"].map((name) => headers[`webhook-${name}`] ?? "");
  if (!(Math.abs(Date.now() / 1000 - Number(sentAt || NaN)) <= TOLERANCE_S)) throw new Error("too old, or too new");
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  if (key.length === 0) throw new Error("the secret is not base64"); // anybody could sign with an empty key
  const wanted = createHmac("sha256", key).update(`${id}.${sentAt}.`).update(body).digest();
  const isOurs = signatures.split(" ").some((one) => {
    const given = one.startsWith("v1,") ? Buffer.from(one.slice(3), "base64") : Buffer.alloc(0);
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  });
  if (!isOurs) throw new Error("not signed with our secret");
  return JSON.parse(body.toString("utf8"));
}
