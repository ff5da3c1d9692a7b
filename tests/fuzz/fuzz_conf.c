/* fuzz_conf.c - any text is a configuration or has a fault that can be shown to a person. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "dataplane/base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void never(void *arg, char sign, const char *path, const char *from, const char *to,
                  bool hot)
{
    (void)arg, (void)sign, (void)path, (void)from, (void)to, (void)hot;
    abort();
}

static void check_shown(const char *text)
{
    size_t len = strlen(text);
    assert(text_utf8_valid((const uint8_t *)text, len) == len);
    for (size_t i = 0; i < len; i++)
        assert((uint8_t)text[i] >= 0x20 || text[i] == '\t');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FILE *null;
    struct diag_list diags = {0};
    if (!null)
        null = fopen("/dev/null", "w");
    struct conf *conf = conf_load("/etc/trove/fuzz.yaml", (const char *)data, size, &diags);
    assert((conf == NULL) == (diags.count > 0));
    for (unsigned i = 0; i < diags.count; i++) {
        assert(diags.diags[i].line > 0 || size > CONF_TEXT_MAX);
        check_shown(diags.diags[i].text);
        check_shown(diags.diags[i].source);
    }
    diag_print(&diags, null);
    if (conf)
        conf_diff(conf, conf, never, NULL);
    conf_free(conf);
    diag_list_fini(&diags);
    return 0;
}
