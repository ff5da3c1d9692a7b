/* event_scan_avx2.c - the scan with AVX2 and BMI. */
#include <immintrin.h>

#define SCAN_NAME event_scan_avx2
#include "dataplane/base/event_scan_body.h"

static inline uint64_t signs(__m256i low, __m256i high)
{
    return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)_mm256_movemask_epi8(high) << 32;
}

static inline uint64_t equal(__m256i low, __m256i high, char c)
{
    __m256i all = _mm256_set1_epi8(c);
    return signs(_mm256_cmpeq_epi8(low, all), _mm256_cmpeq_epi8(high, all));
}

/* What is below 0x20 is less than the greater of both. */
static inline __m256i plain(__m256i v)
{
    return _mm256_cmpeq_epi8(_mm256_max_epu8(v, _mm256_set1_epi8(' ')), v);
}

/* The last 64 bytes overlap with those before: as many bits as are there twice are shifted out.  A
 * control character there was one before. */
static inline struct scan_marks scan_load(const uint8_t *bytes, uint32_t len, uint32_t at)
{
    uint32_t from = at + 64 <= len ? at : len - 64;
    const __m256i *p = (const __m256i *)(bytes + from);
    __m256i low = _mm256_loadu_si256(p), high = _mm256_loadu_si256(p + 1);
    return (struct scan_marks){
        .quotes = equal(low, high, '"') >> (at - from),
        .slashes = equal(low, high, '\\') >> (at - from),
        .controls = ~_mm256_movemask_epi8(_mm256_and_si256(plain(low), plain(high))),
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
