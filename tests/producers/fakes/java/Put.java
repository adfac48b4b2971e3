import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import json.Json;
import software.amazon.awssdk.services.sqs.SqsClient;

/** java Put ENDPOINT QUEUE_URL, jobs as lines of id, subject and body, with tabs between. */
public final class Put {
    private Put() {
    }

    public static void main(String[] arguments) throws Exception {
        List<Map<String, Object>> jobs = new ArrayList<>();
        for (String line : new String(System.in.readAllBytes(), StandardCharsets.UTF_8).split("\n")) {
            String[] parts = line.split("\t");
            Map<String, Object> job = new LinkedHashMap<>();
            job.put("email_id", parts[0]);
            job.put("from", "Shop <shop@example.com>");
            job.put("to", List.of("customer@example.org"));
            job.put("subject", parts[1]);
            job.put("body", parts[2]);
            jobs.add(job);
        }
        Producer producer = new Producer(new SqsClient(over(URI.create(arguments[0]))), arguments[1]);
        try {
            System.out.println(Json.write(Map.of("refused", producer.put(jobs), "ended", "put")));
        } catch (Producer.NotPutException error) {
            System.out.println(Json.write(Map.of("refused", Map.of(), "ended", "not put")));
        }
    }

    private static UnaryOperator<String> over(URI endpoint) {
        HttpClient http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        return body -> {
            HttpRequest request = HttpRequest.newBuilder(endpoint)
                    .header("Content-Type", "application/x-amz-json-1.0")
                    .header("X-Amz-Target", "AmazonSQS.SendMessageBatch")
                    .POST(HttpRequest.BodyPublishers.ofString(body))
                    .build();
            try {
                return http.send(request, HttpResponse.BodyHandlers.ofString()).body();
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            } catch (InterruptedException error) {
                throw new IllegalStateException(error);
            }
        };
    }
}
