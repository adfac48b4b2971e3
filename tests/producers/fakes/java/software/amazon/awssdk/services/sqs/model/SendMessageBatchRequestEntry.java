package software.amazon.awssdk.services.sqs.model;

public record SendMessageBatchRequestEntry(String id, String messageBody) {
    public static Builder builder() {
        return new Builder();
    }

    public static final class Builder {
        private String id;
        private String messageBody;

        public Builder id(String value) {
            id = value;
            return this;
        }

        public Builder messageBody(String value) {
            messageBody = value;
            return this;
        }

        public SendMessageBatchRequestEntry build() {
            return new SendMessageBatchRequestEntry(id, messageBody);
        }
    }
}
