import java.util.Base64;

/** java Verify [SECRET ID TIMESTAMP SIGNATURES BODY_IN_BASE64]... */
public final class Verify {
    private Verify() {
    }

    public static void main(String[] given) throws Exception {
        for (int at = 0; at < given.length; at += 5) {
            byte[] body = Base64.getDecoder().decode(given[at + 4]);
            var webhook = new Webhook(given[at]);
            boolean isOurs = webhook.isOurs(header(given[at + 1]), header(given[at + 2]), header(given[at + 3]), body);
            System.out.println(isOurs ? "order-4711" : "refused");
        }
    }

    /** A servlet gives null for one that is not there. */
    private static String header(String value) {
        return value.isEmpty() ? null : value;
    }
}
