package software.amazon.awssdk.services.sqs.model;

public record SendMessageBatchResultEntry(String id) {
}
