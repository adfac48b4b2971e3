// Checks the signature of tank-mailer's news (docs/producers.md). Needs nothing but Java 17.

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.Base64;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public final class Webhook {
    private static final long TOLERANCE_S = 300; // Standard Webhooks

    private final byte[] key;

    public Webhook(String secret) {
        key = Base64.getDecoder().decode(secret.replaceFirst("^whsec_", ""));
    }

    /** Whether it is tank-mailer's; if not, answer 400. The arguments are the three headers, and the body as it came. */
    public boolean isOurs(String id, String timestamp, String signatures, byte[] body) throws GeneralSecurityException {
        if (id == null || signatures == null || timestamp == null || !timestamp.matches("[0-9]{1,18}")
                || Math.abs(Instant.now().getEpochSecond() - Long.parseLong(timestamp)) > TOLERANCE_S) {
            return false;
        }
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        mac.update((id + "." + timestamp + ".").getBytes(StandardCharsets.UTF_8));
        byte[] wanted = ("v1," + Base64.getEncoder().encodeToString(mac.doFinal(body))).getBytes(StandardCharsets.UTF_8);
        boolean found = false;
        for (String one : signatures.split(" ")) {
            found |= MessageDigest.isEqual(wanted, one.getBytes(StandardCharsets.UTF_8));
        }
        return found;
    }
}
