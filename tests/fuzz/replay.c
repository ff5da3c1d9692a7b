/* replay.c - runs every file of a directory through a fuzz target, so that the corpus is part of
 * the ordinary tests and needs no libFuzzer.
 *
 * Each input is copied to memory of its own size, where a sanitizer sees the first byte read past
 * it.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
    FILE *in = fopen(path, "rb");
    struct stat st;
    if (!in || fstat(fileno(in), &st)) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(1);
    }
    int replayed = 0;
    if (S_ISREG(st.st_mode)) {
        size_t size = (size_t)st.st_size;
        uint8_t *data = malloc(size ? size : 1);
        if (!data || fread(data, 1, size, in) != size) {
            fprintf(stderr, "%s: cannot be read\n", path);
            exit(1);
        }
        LLVMFuzzerTestOneInput(data, size);
        free(data);
        replayed = 1;
    }
    fclose(in);
    return replayed;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    struct dirent **entries;
    int count = scandir(argv[1], &entries, NULL, alphasort);
    if (count < 0) {
        fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    int replayed = 0;
    for (int i = 0; i < count; i++) {
        char path[4096];
        int len = snprintf(path, sizeof path, "%s/%s", argv[1], entries[i]->d_name);
        if (len < (int)sizeof path && entries[i]->d_name[0] != '.')
            replayed += replay(path);
        free(entries[i]);
    }
    free(entries);
    printf("%d inputs\n", replayed);
    return replayed ? 0 : 1;
}
