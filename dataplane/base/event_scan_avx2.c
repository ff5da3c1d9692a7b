/* event_scan_avx2.c - the scan with AVX2 and BMI. */
#include <immintrin.h>

#define SCAN_NAME event_scan_avx2
#include "dataplane/base/event_scan_body.h"

static inline uint64_t signs(__m256i low, __m256i high)
{
    return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)_mm256_movemask_epi8(high) << 32;
}

/* Not zero where there is a backslash or a control character. */
static inline __m256i odd_32(__m256i v)
{
    __m256i space = _mm256_set1_epi8(' ');
    __m256i plain = _mm256_cmpeq_epi8(_mm256_max_epu8(v, space), v);
    __m256i slash = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\\'));
    return _mm256_or_si256(slash, _mm256_xor_si256(plain, _mm256_set1_epi8(-1)));
}

/* The last 64 bytes overlap with those before: as many bits as are there twice are shifted out.
 * What is odd there was odd before. */
static inline struct scan_marks scan_load(const uint8_t *bytes, uint32_t len, uint32_t at)
{
    uint32_t from = at + 64 <= len ? at : len - 64;
    const __m256i *p = (const __m256i *)(bytes + from);
    __m256i low = _mm256_loadu_si256(p), high = _mm256_loadu_si256(p + 1);
    __m256i quote = _mm256_set1_epi8('"');
    __m256i odd = _mm256_or_si256(odd_32(low), odd_32(high));
    return (struct scan_marks){
        .quotes =
            signs(_mm256_cmpeq_epi8(low, quote), _mm256_cmpeq_epi8(high, quote)) >> (at - from),
        .odd = (uint32_t)_mm256_movemask_epi8(odd),
        .beyond = (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(low, high)),
    };
}

/* Eight at a time, whether there are so many or not: how many there are is hard to foresee. */
static inline void scan_put(uint16_t *places, uint64_t bits, uint32_t base)
{
    do {
        for (unsigned i = 0; i < 8; i++) {
            places[i] = (uint16_t)(base + (uint32_t)_tzcnt_u64(bits));
            bits = _blsr_u64(bits);
        }
        places += 8;
    } while (unlikely(bits));
}
