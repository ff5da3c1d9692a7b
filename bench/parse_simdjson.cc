/* parse_simdjson.cc - events by simdjson's on-demand front end; see parse_peer.h. */
#include <cstring>

#include <simdjson.h>

extern "C" {
#include "dataplane/base/text.h"
}

#include "bench/parse_peer.h"

using namespace simdjson;

namespace
{

constexpr int64_t time_ms_max = INT64_C(253402300799999);
ondemand::parser parser;

enum : unsigned {
    ID = 1,
    TIME = 2,
    USER = 4,
    TYPE = 8,
    ITEM = 16,
    TILE = 32,
    HUNT = 64,
    DATA = 128,
    REQUIRED = ID | TIME | USER | TYPE
};

/* walk reads a value of any kind to its end, so that all of it is validated. */
error_code walk(ondemand::value value)
{
    ondemand::json_type type;
    SIMDJSON_TRY(value.type().get(type));
    switch (type) {
    case ondemand::json_type::object: {
        ondemand::object object;
        SIMDJSON_TRY(value.get(object));
        for (auto field : object) {
            std::string_view name;
            SIMDJSON_TRY(field.unescaped_key().get(name));
            SIMDJSON_TRY(walk(field.value()));
        }
        return SUCCESS;
    }
    case ondemand::json_type::array: {
        ondemand::array array;
        SIMDJSON_TRY(value.get(array));
        for (auto element : array)
            SIMDJSON_TRY(walk(element.value()));
        return SUCCESS;
    }
    case ondemand::json_type::string: {
        std::string_view text;
        return value.get(text);
    }
    case ondemand::json_type::number: {
        ondemand::number number;
        return value.get_number().get(number);
    }
    case ondemand::json_type::boolean: {
        bool is;
        return value.get(is);
    }
    default:
        return value.is_null() ? SUCCESS : INCORRECT_TYPE;
    }
}

/* own_key looks at a key as it is written, up to its closing quote.  Returns 0 for another one. */
unsigned own_key(const char *raw)
{
    switch (raw[0]) {
    case 'i':
        return !memcmp(raw, "id\"", 3) ? ID : !memcmp(raw, "item\"", 5) ? ITEM : 0u;
    case 't':
        return !memcmp(raw, "time\"", 5)   ? TIME
               : !memcmp(raw, "type\"", 5) ? TYPE
               : !memcmp(raw, "tile\"", 5) ? TILE
                                           : 0u;
    case 'u':
        return !memcmp(raw, "user\"", 5) ? USER : 0u;
    case 'h':
        return !memcmp(raw, "hunt\"", 5) ? HUNT : 0u;
    case 'd':
        return !memcmp(raw, "data\"", 5) ? DATA : 0u;
    default:
        return 0;
    }
}

/* read_key names an own key; the text behind every event can be read.  Another key is unescaped,
 * which validates it, and may then turn out to be an own one. */
error_code read_key(ondemand::field &field, unsigned *own)
{
    std::string_view name;
    char text[8] = {0};
    *own = own_key(field.key().raw());
    if (*own)
        return SUCCESS;
    SIMDJSON_TRY(field.unescaped_key().get(name));
    if (name.size() <= 4) {
        memcpy(text, name.data(), name.size());
        text[name.size()] = '"';
        *own = own_key(text);
    }
    return SUCCESS;
}

error_code get_name(ondemand::value value, size_t max, std::string_view *text)
{
    SIMDJSON_TRY(value.get(*text));
    return text->empty() || text->size() > max ? INCORRECT_TYPE : SUCCESS;
}

error_code get_key(ondemand::value value, size_t max, const hash_key *key, uint64_t *hash)
{
    std::string_view text;
    SIMDJSON_TRY(get_name(value, max, &text));
    *hash = hash64(key, text.data(), text.size());
    return SUCCESS;
}

error_code get_id(ondemand::value value, uint64_t id[2])
{
    std::string_view text;
    SIMDJSON_TRY(value.get(text));
    bool right = text.size() == TEXT_UUID_LEN &&
                 text_uuid_parse(reinterpret_cast<const uint8_t *>(text.data()), id) < 0;
    return right && (id[0] | id[1]) ? SUCCESS : INCORRECT_TYPE;
}

/* A time as a string is looked at by nobody here: these benchmarks have none. */
error_code get_time(ondemand::value value, int64_t *time_ms)
{
    SIMDJSON_TRY(value.get(*time_ms));
    return *time_ms < 0 || *time_ms > time_ms_max ? NUMBER_OUT_OF_RANGE : SUCCESS;
}

error_code take(const hash_key *key, unsigned own, ondemand::value value, event *event)
{
    std::string_view text;
    switch (own) {
    case ID:
        return get_id(value, event->id);
    case TIME:
        return get_time(value, &event->time_ms);
    case USER:
        SIMDJSON_TRY(get_name(value, EVENT_USER_MAX, &text));
        event->user_key = hash128(key, text.data(), text.size());
        return SUCCESS;
    case TYPE:
        return get_key(value, EVENT_TYPE_MAX, key, &event->type_key);
    case ITEM:
        return get_key(value, EVENT_NAME_MAX, key, &event->item_key);
    case TILE:
        return get_key(value, EVENT_NAME_MAX, key, &event->tile_key);
    case HUNT:
        return get_key(value, EVENT_NAME_MAX, key, &event->hunt_key);
    default:
        return walk(value);
    }
}

error_code check(const hash_key *key, const uint8_t *bytes, uint32_t len, event *event)
{
    ondemand::document document;
    ondemand::object object;
    unsigned seen = 0;
    event->type_key = event->item_key = event->tile_key = event->hunt_key = 0;
    SIMDJSON_TRY(parser.iterate(bytes, len, len + SIMDJSON_PADDING).get(document));
    SIMDJSON_TRY(document.get_object().get(object));
    for (auto found : object) {
        ondemand::field field;
        unsigned own;
        SIMDJSON_TRY(std::move(found).get(field));
        SIMDJSON_TRY(read_key(field, &own));
        if (seen & own)
            return INCORRECT_TYPE;
        seen |= own;
        SIMDJSON_TRY(take(key, own, field.value(), event));
    }
    event->flags = static_cast<uint8_t>(seen >> 4);
    bool trailing = document.current_location().error() != OUT_OF_BOUNDS;
    return !trailing && (seen & REQUIRED) == REQUIRED ? SUCCESS : INCORRECT_TYPE;
}

/* Members by name, in the order in which trove-blast writes them: each look-up begins where the one
 * before ended. */
error_code extract(const uint8_t *bytes, uint32_t len, event *event)
{
    ondemand::document document;
    ondemand::object object;
    std::string_view id, text;
    SIMDJSON_TRY(parser.iterate(bytes, len, len + SIMDJSON_PADDING).get(document));
    SIMDJSON_TRY(document.get_object().get(object));
    SIMDJSON_TRY(object["id"].get(id));
    SIMDJSON_TRY(object["time"].get(event->time_ms));
    SIMDJSON_TRY(object["user"].get(text));
    event->user = span{0, static_cast<uint16_t>(text.size())};
    SIMDJSON_TRY(object["type"].get(text));
    event->type_key = text.size();
    SIMDJSON_TRY(object["item"].get(text));
    event->item_key = text.size();
    return id.size() == TEXT_UUID_LEN ? SUCCESS : INCORRECT_TYPE;
}

/* All fields in the order of the text, each compared with the names that are wanted. */
error_code iterate(const uint8_t *bytes, uint32_t len, event *event)
{
    ondemand::document document;
    ondemand::object object;
    SIMDJSON_TRY(parser.iterate(bytes, len, len + SIMDJSON_PADDING).get(document));
    SIMDJSON_TRY(document.get_object().get(object));
    for (auto field : object) {
        ondemand::raw_json_string name;
        std::string_view text;
        SIMDJSON_TRY(field.key().get(name));
        if (name == "time") {
            SIMDJSON_TRY(field.value().get(event->time_ms));
        } else if (name == "id" || name == "user" || name == "type" || name == "item" ||
                   name == "hunt") {
            SIMDJSON_TRY(field.value().get(text));
            event->item_key = text.size();
        }
    }
    return SUCCESS;
}

} // namespace

int peer_extract(const hash_key *key, const uint8_t *bytes, uint32_t len, event *event)
{
    (void)key;
    return extract(bytes, len, event);
}

int peer_iterate(const hash_key *key, const uint8_t *bytes, uint32_t len, event *event)
{
    (void)key;
    return iterate(bytes, len, event);
}

int peer_check(const hash_key *key, const uint8_t *bytes, uint32_t len, event *event)
{
    return check(key, bytes, len, event);
}
