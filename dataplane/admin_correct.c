/* admin_correct.c - POST /v1/corrections: what the body must be, and what each answer means. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/admin.h"
#include "dataplane/base/text.h"
#include "dataplane/story_correction.h"

/* ---- the request ---- */

struct member {
    const char *name;
    size_t offset, max;
    unsigned kinds;    /* bit per enum correction_kind: may be given */
    unsigned required; /* the same: must be */
    bool one_line;     /* no control characters */
};

#define GRANT_REVOKE (1u << CORRECTION_grant | 1u << CORRECTION_revoke)
#define ALL_KINDS    (GRANT_REVOKE | 1u << CORRECTION_undo)

static const struct member members[] = {
    {"user", offsetof(struct correction, user), EVENT_USER_MAX, GRANT_REVOKE, GRANT_REVOKE, false},
    {"hunt", offsetof(struct correction, hunt), EVENT_NAME_MAX, GRANT_REVOKE, GRANT_REVOKE, false},
    {"tile", offsetof(struct correction, tile), EVENT_NAME_MAX, GRANT_REVOKE, 0, false},
    {"reason", offsetof(struct correction, reason), CORRECTION_REASON_MAX, ALL_KINDS, ALL_KINDS,
     true},
    {"ref", offsetof(struct correction, ref), CORRECTION_REF_MAX, ALL_KINDS, ALL_KINDS, true},
};

#define MEMBER_COUNT (sizeof members / sizeof *members)

static bool invalid(struct control_response *response, const char *pointer, const char *what)
{
    control_problem(response, 422, "correction_invalid", "trovectl help", "%.64s: %s", pointer,
                    what);
    json_object_set_new(response->body, "pointer", control_text(pointer));
    return false;
}

static bool is_one_line(const char *text)
{
    for (; *text; text++)
        if ((uint8_t)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

static bool read_member(const struct member *member, const json_t *body, struct correction *c,
                        struct control_response *response)
{
    char pointer[32], what[96];
    const json_t *value = json_object_get(body, member->name);
    const char *text = json_string_value(value);
    size_t len = text ? strlen(text) : 0;
    snprintf(pointer, sizeof pointer, "/%s", member->name);
    if (value && !(member->kinds >> c->kind & 1))
        return invalid(response, pointer, "an undo has no use for it: the id says it all");
    if (!value && !(member->required >> c->kind & 1))
        return true;
    snprintf(what, sizeof what, "must be a string of 1 to %zu bytes%s", member->max,
             member->one_line ? " on one line" : "");
    if (!len || len > member->max || (member->one_line && !is_one_line(text)))
        return invalid(response, pointer, what);
    memcpy((char *)c + member->offset, text, len);
    return true;
}

static bool read_id(const char *text, uint64_t id[2])
{
    return strlen(text) == TEXT_UUID_LEN && text_uuid_parse((const uint8_t *)text, id) < 0 &&
           (id[0] || id[1]);
}

static bool known_members(const json_t *body, struct control_response *response)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)body, name, value)
    {
        bool known = !strcmp(name, "correction") || !strcmp(name, "undo");
        for (size_t i = 0; i < MEMBER_COUNT; i++)
            known |= !strcmp(name, members[i].name);
        if (!known) {
            char pointer[64];
            snprintf(pointer, sizeof pointer, "/%.60s", name);
            return invalid(response, pointer, "a correction has no such member");
        }
    }
    return true;
}

static bool read_body(const json_t *body, struct correction *c, struct control_response *response)
{
    const char *kind = json_string_value(json_object_get(body, "correction"));
    const json_t *undo = json_object_get(body, "undo");
    const char *undone = json_string_value(undo);
    unsigned found = kind ? correction_kind_find(kind) : CORRECTION_KIND_COUNT;
    if (found == CORRECTION_KIND_COUNT)
        return invalid(response, "/correction", "must be one of grant, revoke and undo");
    c->kind = (uint8_t)found;
    if (!known_members(body, response))
        return false;
    if (undo && c->kind != CORRECTION_undo)
        return invalid(response, "/undo", "only an undo has it");
    if (c->kind == CORRECTION_undo && !(undone && read_id(undone, c->undo)))
        return invalid(response, "/undo", "must be the id of a correction, a UUID");
    for (size_t i = 0; i < MEMBER_COUNT; i++)
        if (!read_member(&members[i], body, c, response))
            return false;
    return true;
}

/* read_key takes the UUID with quotes around it, as structured fields have them (RFC 8941, 3.3.3),
 * or bare. */
static bool read_key(const char *header, uint64_t id[2])
{
    char text[TEXT_UUID_LEN + 1];
    size_t len = header ? strlen(header) : 0;
    bool quoted = len == TEXT_UUID_LEN + 2 && *header == '"' && header[len - 1] == '"';
    if (len != TEXT_UUID_LEN + 2 * (size_t)quoted)
        return false;
    memcpy(text, header + quoted, TEXT_UUID_LEN);
    text[TEXT_UUID_LEN] = '\0';
    return read_id(text, id);
}

static bool read_request(const struct control_request *request, struct correction *c, bool *dry_run,
                         struct control_response *response)
{
    const char *dry = control_query(request, "dry_run");
    json_error_t fault;
    *dry_run = dry && !strcmp(dry, "true");
    snprintf(c->by, sizeof c->by, "uid %u", (unsigned)request->uid);
    if (!read_key(control_header(request, "Idempotency-Key"), c->id)) {
        control_problem(response, 400, "bad_key", "trovectl help",
                        "the header Idempotency-Key must hold a UUID of your own making: with the "
                        "same key the same correction happens once");
        return false;
    }
    if (dry && !*dry_run && strcmp(dry, "false") != 0) {
        control_problem(response, 400, "bad_query", "trovectl help", "dry_run is true or false");
        return false;
    }
    json_t *body = json_loadb(request->body, request->body_len, JSON_REJECT_DUPLICATES, &fault);
    bool good = json_is_object(body);
    if (good)
        good = read_body(body, c, response);
    else
        control_problem(response, 400, "bad_json", "trovectl help",
                        "the body must be a JSON object: %s (byte %d)",
                        body ? "it is another value" : fault.text, body ? 0 : fault.position);
    json_decref(body);
    return good;
}

/* ---- the answer ---- */

static const char *next_of(enum refusal refusal, const struct correction *c, char next[320])
{
    switch (refusal) {
    case REFUSAL_already_won:
        snprintf(next, 320, "trovectl patch revoke --user '%.64s' --hunt '%.64s'", c->user,
                 c->hunt);
        break;
    case REFUSAL_superseded:
    case REFUSAL_unknown_correction:
    case REFUSAL_conflict:
        snprintf(next, 320, "trovectl patch list --user '%.64s'", c->user);
        break;
    case REFUSAL_taken:
    case REFUSAL_expired:
    case REFUSAL_unknown_tile:
    case REFUSAL_early:
        snprintf(next, 320, "trovectl hunt map FILE --hunt '%.64s'", c->hunt);
        break;
    default:
        snprintf(next, 320, "trovectl explain '%.64s' --hunt '%.64s'", c->user, c->hunt);
    }
    return next;
}

/* refuse says why the state has not done it; the refusal itself is kept under the id. */
static void refuse(struct control_response *response, const struct correction *c,
                   const struct correction_answer *answer, uint64_t seq)
{
    char next[320];
    enum refusal refusal = (enum refusal)answer->outcome.refusal;
    bool conflict = refusal == REFUSAL_conflict;
    control_problem(response, conflict ? 409 : 422,
                    conflict ? "key_conflict" : refusal_name(refusal), next_of(refusal, c, next),
                    "%s of user '%.64s' in hunt '%.64s'%s%.64s%s: %s",
                    correction_kind_name(c->kind), c->user, c->hunt, c->tile[0] ? ", tile '" : "",
                    c->tile, c->tile[0] ? "'" : "",
                    conflict ? "the key belongs to a correction that says something else"
                             : refusal_help(refusal));
    json_t *told = correction_tell(c, &answer->outcome, conflict ? 0 : seq);
    json_object_set_new(response->body, "result", told);
}

static void reject(struct control_response *response, const struct correction *c,
                   const struct correction_answer *answer)
{
    bool unknown = answer->verdict.reason == REASON_hunt_unknown;
    const char *why = unknown      ? "is not in the running configuration"
                      : c->tile[0] ? "is not one of tiles: it takes no tile"
                                   : "is one of tiles: say which tile";
    control_problem(response, unknown ? 404 : 422,
                    unknown ? "hunt_unknown" : reason_name(answer->verdict.reason),
                    unknown ? "trovectl status" : "trovectl patch grant ... --tile TILE",
                    "hunt '%.64s' %s", c->hunt, why);
}

static void tell(struct control_response *response, const struct correction *c, bool dry_run,
                 const struct correction_answer *answer)
{
    bool again = answer->verdict.result == RESULT_DUPLICATE;
    uint64_t seq = again ? answer->outcome.first_seq : answer->verdict.seq;
    if (dry_run && !again)
        seq = 0;
    if (answer->outcome.refusal) {
        refuse(response, c, answer, seq);
    } else {
        response->body = correction_tell(c, &answer->outcome, seq);
        response->status = again || dry_run ? 200 : 201;
    }
    json_object_set_new(response->body, "repeat", json_boolean(again));
    json_object_set_new(response->body, "dry_run", json_boolean(dry_run));
    json_object_set_new(response->body, "config", json_integer(answer->config_version));
    if (response->status == 201) {
        char uuid[TEXT_UUID_LEN + 1];
        text_uuid_format(c->id, uuid);
        snprintf(response->location, sizeof response->location, "/v1/corrections/%s", uuid);
    }
}

/* fail says why there is no answer. */
static void fail(struct control_response *response, const struct correction *c, int rc)
{
    char uuid[TEXT_UUID_LEN + 1];
    text_uuid_format(rc == -ENOENT ? c->undo : c->id, uuid);
    if (rc == -ENOENT)
        control_problem(response, 404, "correction_unknown", "trovectl patch list",
                        "no correction %s has changed anything", uuid);
    else if (rc == -EEXIST)
        control_problem(response, 409, "key_conflict", "trovectl patch list",
                        "the key %s belongs to a correction that says something else", uuid);
    else if (rc == -ESHUTDOWN)
        control_problem(response, 503, "draining", "trovectl status",
                        "troved is stopping and takes no corrections any more");
    else if (rc == -EIO)
        control_problem(
            response, 503, "journal_failed", "trovectl status",
            "a journal takes nothing at present, and nothing was done: mend the disk or "
            "make room, then the same again");
    else
        control_problem(response, 503, "not_known", "the same command with --id and this key",
                        "no answer in time: whether it was done is not known.  The same again "
                        "with the key %s does it once",
                        uuid);
}

void admin_correct(void *context, const struct control_request *request,
                   struct control_response *response)
{
    struct correction correction = {0};
    struct correction_answer answer;
    bool dry_run;
    if (!read_request(request, &correction, &dry_run, response))
        return;
    int rc = topo_correct(context, &correction, dry_run, &answer);
    if (rc)
        fail(response, &correction, rc);
    else if (answer.verdict.result == RESULT_REJECTED)
        reject(response, &correction, &answer);
    else if (answer.verdict.result == RESULT_REFUSED)
        control_problem(response, 503, "state_full", "trovectl status",
                        "no room for another correction, or for what it would leave: raise "
                        "limits.corrections, limits.users or limits.claims and restart");
    else
        tell(response, &correction, dry_run, &answer);
}
