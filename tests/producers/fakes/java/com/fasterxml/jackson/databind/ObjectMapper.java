package com.fasterxml.jackson.databind;

import com.fasterxml.jackson.core.JsonProcessingException;
import json.Json;

/** As much of Jackson's as the example asks for. */
public final class ObjectMapper {
    public String writeValueAsString(Object value) throws JsonProcessingException {
        return Json.write(value);
    }
}
