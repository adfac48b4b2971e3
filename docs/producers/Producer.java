// Puts e-mail jobs on tank-mailer's queue, ten in a call (docs/producers.md).
// Needs Java 17, software.amazon.awssdk:sqs, com.fasterxml.jackson.core:jackson-databind.

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import software.amazon.awssdk.services.sqs.SqsClient;
import software.amazon.awssdk.services.sqs.model.BatchResultErrorEntry;
import software.amazon.awssdk.services.sqs.model.SendMessageBatchRequest;
import software.amazon.awssdk.services.sqs.model.SendMessageBatchRequestEntry;

public final class Producer {
    private static final int MAX_ENTRIES = 10; // SQS: of one call
    private static final int MAX_BYTES = 1_048_576; // a job, a call; 262_144 on a queue from before August 2025
    private static final long[] WAITS_MS = {200, 1_000, 3_000}; // between tries
    private static final ObjectMapper JSON = new ObjectMapper();

    private final SqsClient sqs;
    private final String queueUrl;

    public Producer(SqsClient sqs, String queueUrl) {
        this.sqs = sqs;
        this.queueUrl = queueUrl;
    }

    /** Some jobs may not be on the queue: put them again, under the same ids. */
    public static final class NotPutException extends RuntimeException {
        NotPutException(String text) {
            super(text);
        }
    }

    /** Names a mail by what it is about and what it is for: emailId("order", 4711, "confirmation"). */
    public static String emailId(Object... parts) {
        return Stream.of(parts).map(String::valueOf).collect(Collectors.joining("-"));
    }

    /** Puts jobs on the queue; what SQS never takes comes back: email_id to why. Throws for all else: put again. */
    public Map<String, String> put(List<Map<String, Object>> jobs) throws IOException, InterruptedException {
        Map<String, String> refused = new TreeMap<>();
        for (List<Job> batch : batches(jobs, refused)) {
            putBatch(batch, refused);
        }
        return refused;
    }

    private record Job(String name, String body) {
        int bytes() {
            return body.getBytes(StandardCharsets.UTF_8).length;
        }
    }

    /** Up to ten in one call, and again those that it did not take: HTTP 200 does not mean that it took all. */
    private void putBatch(List<Job> batch, Map<String, String> refused) throws InterruptedException {
        Map<String, Job> waiting = new TreeMap<>();
        for (Job job : batch) { // an entry's Id may not be an email_id: 80 letters, digits, - and _
            waiting.put(String.valueOf(waiting.size()), job);
        }
        for (int tries = 0; ; tries++) {
            var request = SendMessageBatchRequest.builder().queueUrl(queueUrl).entries(entries(waiting)).build();
            var answer = sqs.sendMessageBatch(request);
            answer.successful().forEach(entry -> waiting.remove(entry.id()));
            for (BatchResultErrorEntry entry : answer.failed()) {
                if (entry.senderFault()) { // a character that SQS does not take: never
                    refused.put(waiting.remove(entry.id()).name(), entry.code() + ": " + entry.message());
                }
            }
            if (waiting.isEmpty()) {
                return;
            }
            if (tries == WAITS_MS.length) {
                throw new NotPutException(waiting.size() + " jobs are not on the queue; refused: " + refused);
            }
            Thread.sleep(WAITS_MS[tries]);
        }
    }

    private static List<SendMessageBatchRequestEntry> entries(Map<String, Job> jobs) {
        return jobs.entrySet().stream()
                .map(one -> SendMessageBatchRequestEntry.builder()
                        .id(one.getKey()).messageBody(one.getValue().body()).build())
                .toList();
    }

    /** Ten at most, and no more bytes than a call takes. */
    private static List<List<Job>> batches(List<Map<String, Object>> jobs, Map<String, String> refused)
            throws IOException {
        List<List<Job>> batches = new ArrayList<>();
        List<Job> batch = new ArrayList<>();
        int size = 0;
        for (Map<String, Object> fields : jobs) {
            Job job = new Job((String) fields.get("email_id"), JSON.writeValueAsString(fields));
            if (job.bytes() > MAX_BYTES) {
                refused.put(job.name(), "TooLarge: " + job.bytes() + " bytes of " + MAX_BYTES);
                continue;
            }
            if (!batch.isEmpty() && (batch.size() == MAX_ENTRIES || size + job.bytes() > MAX_BYTES)) {
                batches.add(batch);
                batch = new ArrayList<>();
                size = 0;
            }
            batch.add(job);
            size += job.bytes();
        }
        if (!batch.isEmpty()) {
            batches.add(batch);
        }
        return batches;
    }
}
