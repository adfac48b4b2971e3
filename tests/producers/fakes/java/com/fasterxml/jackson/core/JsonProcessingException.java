package com.fasterxml.jackson.core;

import java.io.IOException;

/** A checked one, as Jackson's is. */
public class JsonProcessingException extends IOException {
}
