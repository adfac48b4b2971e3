package software.amazon.awssdk.services.sqs.model;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import json.Json;

public record SendMessageBatchRequest(String queueUrl, Collection<SendMessageBatchRequestEntry> entries) {
    public static Builder builder() {
        return new Builder();
    }

    public String json() {
        List<?> shown = entries.stream().map(one -> Map.of("Id", one.id(), "MessageBody", one.messageBody())).toList();
        return Json.write(Map.of("QueueUrl", queueUrl, "Entries", shown));
    }

    public static final class Builder {
        private String queueUrl;
        private Collection<SendMessageBatchRequestEntry> entries;

        public Builder queueUrl(String value) {
            queueUrl = value;
            return this;
        }

        public Builder entries(Collection<SendMessageBatchRequestEntry> value) {
            entries = value;
            return this;
        }

        public SendMessageBatchRequest build() {
            return new SendMessageBatchRequest(queueUrl, entries);
        }
    }
}
