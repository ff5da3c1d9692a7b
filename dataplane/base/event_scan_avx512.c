/* event_scan_avx512.c - the scan with AVX-512 BW and VBMI2. */
#include <immintrin.h>

#define SCAN_NAME event_scan_avx512
#include "dataplane/base/event_scan_body.h"

/* A masked load does not touch what its mask leaves out. */
static inline struct scan_marks scan_load(const uint8_t *bytes, uint32_t len, uint32_t at)
{
    __mmask64 there = len - at >= 64 ? UINT64_MAX : _bzhi_u64(UINT64_MAX, len - at);
    __m512i v = _mm512_maskz_loadu_epi8(there, bytes + at);
    return (struct scan_marks){
        .quotes = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('"')),
        .slashes = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\\')),
        .controls = _mm512_mask_cmplt_epu8_mask(there, v, _mm512_set1_epi8(' ')),
        .beyond = _mm512_movepi8_mask(v),
    };
}

static inline void scan_put(uint16_t *places, uint64_t bits, uint32_t base)
{
    const __m512i counting = _mm512_set_epi8(
        63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41,
        40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18,
        17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    __m512i found = _mm512_maskz_compress_epi8(bits, counting);
    __m512i from = _mm512_set1_epi16((int16_t)base);
    __m512i low = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(found));
    _mm512_storeu_si512(places, _mm512_add_epi16(low, from));
    if (unlikely(_mm_popcnt_u64(bits) > 32)) {
        __m512i high = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(found, 1));
        _mm512_storeu_si512(places + 32, _mm512_add_epi16(high, from));
    }
}
