package software.amazon.awssdk.services.sqs;

import java.util.function.UnaryOperator;
import software.amazon.awssdk.services.sqs.model.SendMessageBatchRequest;
import software.amazon.awssdk.services.sqs.model.SendMessageBatchResponse;

/** As much of the SDK's as the example asks for; the call itself goes over HTTP, by what the test gives. */
public final class SqsClient {
    private final UnaryOperator<String> call;

    public SqsClient(UnaryOperator<String> call) {
        this.call = call;
    }

    public SendMessageBatchResponse sendMessageBatch(SendMessageBatchRequest request) {
        return SendMessageBatchResponse.read(call.apply(request.json()));
    }
}
