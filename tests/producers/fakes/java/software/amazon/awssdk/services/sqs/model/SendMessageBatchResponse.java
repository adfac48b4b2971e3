package software.amazon.awssdk.services.sqs.model;

import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;

/** Reads what the test's server writes: an entry an object, its names in this order. */
public record SendMessageBatchResponse(
        List<SendMessageBatchResultEntry> successful, List<BatchResultErrorEntry> failed) {
    private static final Pattern TAKEN = Pattern.compile("\\{\"Id\": \"(\\w+)\", \"MessageId\"");
    private static final Pattern FAILED = Pattern.compile(
            "\\{\"Id\": \"(\\w+)\", \"SenderFault\": (true|false), \"Code\": \"(\\w+)\", \"Message\": \"([^\"]*)\"");

    public static SendMessageBatchResponse read(String json) {
        return new SendMessageBatchResponse(
                TAKEN.matcher(json).results().map(found -> new SendMessageBatchResultEntry(found.group(1))).toList(),
                FAILED.matcher(json).results().map(SendMessageBatchResponse::error).toList());
    }

    private static BatchResultErrorEntry error(MatchResult found) {
        return new BatchResultErrorEntry(
                found.group(1), Boolean.valueOf(found.group(2)), found.group(3), found.group(4));
    }
}
