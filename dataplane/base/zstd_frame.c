/* zstd_frame.c - libzstd, one frame at a time. */
#include "dataplane/base/zstd_frame.h"

#include <stdint.h>
#include <stdlib.h>
#include <zstd.h>

struct zstd_frame {
    ZSTD_CCtx *context;
};

struct zstd_frame *zstd_frame_new(int level)
{
    struct zstd_frame *encoder = malloc(sizeof *encoder);
    if (!encoder)
        return NULL;
    encoder->context = ZSTD_createCCtx();
    if (encoder->context &&
        !ZSTD_isError(ZSTD_CCtx_setParameter(encoder->context, ZSTD_c_compressionLevel, level)) &&
        !ZSTD_isError(ZSTD_CCtx_setParameter(encoder->context, ZSTD_c_checksumFlag, 1)))
        return encoder;
    zstd_frame_free(encoder);
    return NULL;
}

void zstd_frame_free(struct zstd_frame *encoder)
{
    if (encoder)
        ZSTD_freeCCtx(encoder->context);
    free(encoder);
}

size_t zstd_frame_bound(size_t len)
{
    return ZSTD_compressBound(len);
}

size_t zstd_frame_encode(struct zstd_frame *encoder, const void *bytes, size_t len, void *out,
                         size_t room)
{
    if (room < ZSTD_compressBound(len))
        return 0;
    size_t rc = ZSTD_compress2(encoder->context, out, room, bytes, len);
    return ZSTD_isError(rc) ? 0 : rc;
}

size_t zstd_frame_decode(const void *frame, size_t len, void *out, size_t room)
{
    size_t rc = ZSTD_decompress(out, room, frame, len);
    return ZSTD_isError(rc) ? SIZE_MAX : rc;
}

size_t zstd_frame_length(const void *bytes, size_t len)
{
    size_t rc = ZSTD_findFrameCompressedSize(bytes, len);
    return ZSTD_isError(rc) ? 0 : rc;
}
