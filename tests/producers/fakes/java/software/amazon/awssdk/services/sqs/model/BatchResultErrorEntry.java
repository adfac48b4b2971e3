package software.amazon.awssdk.services.sqs.model;

public record BatchResultErrorEntry(String id, Boolean senderFault, String code, String message) {
}
