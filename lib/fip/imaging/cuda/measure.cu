// Noise and extremes of an image while it is on the GPU, as fip.imaging.statistics takes them on the processor.

#define MOST_THREADS 1024  // of a block
#define DIGITS 256         // that are told apart at a time, of four
#define NO_NUMBER 0x7f800000u  // infinity: where a sample of the median is none

struct Found {  // as `packing.py` has it
    unsigned lowest, highest;  // in the order of numbers
    int finite, missing;       // samples for the median that are finite; whether a tap lacked a sample
    float minimum, maximum, deviation;  // the median absolute one
};

// Unsigned integers in the order of the numbers.
__device__ unsigned in_order(float value)
{
    unsigned bits = __float_as_uint(value);
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}

__device__ float from_order(unsigned key) { return __uint_as_float(key >> 31 ? key & 0x7fffffffu : ~key); }

// The number of this rank, from 0 for the smallest, among values, or among their distances from `centre`. All threads
// of the one block find it, a digit at a time.
__device__ float ranked(const float* values, int count, int rank, bool distances, float centre, unsigned* of_digit)
{
    unsigned found = 0;
    for (int shift = 24; shift >= 0; shift -= 8) {
        for (int i = threadIdx.x; i < DIGITS; i += blockDim.x) of_digit[i] = 0;
        __syncthreads();
        for (int i = threadIdx.x; i < count; i += blockDim.x) {
            unsigned key = in_order(distances ? fabsf(values[i] - centre) : values[i]);
            if (shift == 24 || key >> (shift + 8) == found >> (shift + 8)) atomicAdd(&of_digit[key >> shift & 255], 1u);
        }
        __syncthreads();
        unsigned digit = 0, left = rank;
        while (left >= of_digit[digit] && digit < DIGITS - 1) left -= of_digit[digit++];
        rank = left;
        found |= digit << shift;
        __syncthreads();
    }
    return from_order(found);
}

extern "C" {

// Of some rows of an image: its extremes, and the pixels [row / stride][column / stride] of which the median is taken.
__global__ void measure(
    const float* pixels, int first_row, int rows, int columns, int stride, Found* found, float* sample)
{
    __shared__ unsigned low[MOST_THREADS], high[MOST_THREADS];
    unsigned lowest = ~0u, highest = 0, all = (unsigned)rows * columns;
    int finite = 0, across = (columns + stride - 1) / stride;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < all; i += gridDim.x * blockDim.x) {
        float value = pixels[i];
        if (value == value) {
            unsigned key = in_order(value);
            lowest = min(lowest, key);
            highest = max(highest, key);
        }
        int row = first_row + i / columns, column = i % columns;
        if (row % stride || column % stride) continue;
        bool number = (__float_as_uint(value) & NO_NUMBER) != NO_NUMBER;
        sample[row / stride * across + column / stride] = number ? value : __uint_as_float(NO_NUMBER);
        finite += number;
    }
    low[threadIdx.x] = lowest;
    high[threadIdx.x] = highest;
    __syncthreads();
    for (unsigned half = blockDim.x / 2; half; half /= 2) {
        if (threadIdx.x < half) {
            low[threadIdx.x] = min(low[threadIdx.x], low[threadIdx.x + half]);
            high[threadIdx.x] = max(high[threadIdx.x], high[threadIdx.x + half]);
        }
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        atomicMin(&found->lowest, low[0]);
        atomicMax(&found->highest, high[0]);
    }
    if (finite) atomicAdd(&found->finite, finite);
}

// What `measure` found of all rows, as numbers; one block.
__global__ void conclude(const float* sample, int count, Found* found)
{
    __shared__ unsigned of_digit[DIGITS];
    int middle = found->finite / 2;
    float median = ranked(sample, count, middle, false, 0, of_digit);
    float deviation = ranked(sample, count, middle, true, median, of_digit);
    if (threadIdx.x) return;
    found->minimum = from_order(found->lowest);
    found->maximum = from_order(found->highest);
    found->deviation = deviation;
}

}
