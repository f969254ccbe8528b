// Images of any field on a GPU, term by term: docs/kernel.md, "The whole sky". `sky.py` calls these functions in their
// order, between those of slant.cu that grid and transform.

#define HALF (SUPPORT / 2)
#define POWERS ((DEGREE + 1) / 2)  // coefficients of the even powers of a tap, and of the odd ones

struct Direction {
    double xi, eta, q;
    bool seen;  // whether it is above the horizon
};

// The pixel's: r^2 is rounded as numpy rounds it, so that the same pixels are beyond the horizon as on the processor.
__device__ Direction direction_of(const Slant& s, int line, int pixel)
{
    Direction d;
    d.xi = (line - s.xi_pixels / 2) * s.pixel;
    d.eta = (pixel - s.eta_pixels / 2) * s.pixel;
    double r2 = __dadd_rn(__dmul_rn(d.xi, d.xi), __dmul_rn(d.eta, d.eta));
    d.seen = r2 < 1;
    d.q = d.seen ? -r2 / (1 + sqrt(1 - r2)) : -1;
    return d;
}

extern "C" {

// The gridding kernel as taps. Taps i and SUPPORT - 1 - i mirror each other: half their sum and half their difference,
// in powers of y^2, the highest first, the odd ones times y, where y in [-1, 1] is the place between two samples.
__constant__ float near_even[HALF * POWERS];
__constant__ float near_odd[HALF * POWERS];

}

// The first sample that an interpolation to this position reads, and its taps.
__device__ int near_taps(double position, float* taps)
{
    double whole = floor(position);
    float y = (float)(2 * (position - whole) - 1), x = y * y;
#pragma unroll
    for (int i = 0; i < HALF; ++i) {
        float even = near_even[i * POWERS], odd = near_odd[i * POWERS];
#pragma unroll
        for (int d = 1; d < POWERS; ++d) {
            even = even * x + near_even[i * POWERS + d];
            odd = odd * x + near_odd[i * POWERS + d];
        }
        taps[i] = even + odd * y;
        taps[SUPPORT - 1 - i] = even - odd * y;
    }
    return (int)whole - (HALF - 1);
}

__device__ bool within(int first, int length) { return first >= 0 && first <= length - SUPPORT; }

// Where sample 0 of an image of the sky is along eta.
__device__ double eta0(const Slant& s) { return s.eta_centre - s.length / 2 * s.eta_step; }

extern "C" {

// Each visibility over what the interpolation makes of its frequency.
__global__ void emphasise(
    const double* rows, const double* frequency, const Block* blocks, int samples, const Slant* slant,
    const float* coefficients, int count, float2* visibility)
{
    const Slant s = *slant;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < samples; i += gridDim.x * blockDim.x) {
        const Sample sample = sample_at(rows, frequency, blocks, i);
        float factor = correction(coefficients, count, (float)(sample.u / s.u_size))
            * correction(coefficients, count, (float)(sample.v / s.v_size));
        visibility[i].x *= factor;
        visibility[i].y *= factor;
    }
}

// The terms' real images [term][column][v_size] corrected for the gridding, those samples that are needed:
// [term][column][length].
__global__ void correct_terms(const float* terms, const Slant* slant, const float* correct, float* out)
{
    const Slant s = *slant;
    unsigned all = (unsigned)s.terms * s.width * s.length;
    int first = s.v_size / 2 - s.length / 2;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < all; i += gridDim.x * blockDim.x) {
        unsigned line = i / s.length;
        int j = first + i % s.length;
        out[i] = terms[(long long)line * s.v_size + j] * (correct[line % s.width] * correct[s.width + j]);
    }
}

// Of a plane without slopes, whose pixels of a column share their place along eta: [term][column][eta pixel]. Pixels
// beyond the sky repeat its edge.
__global__ void level_along_eta(const float* terms, const Slant* slant, int* missing, float* out)
{
    const Slant s = *slant;
    unsigned all = (unsigned)s.terms * s.width * s.eta_pixels;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < all; i += gridDim.x * blockDim.x) {
        int pixel = i % s.eta_pixels;
        double eta = fmin(fmax((pixel - s.eta_pixels / 2) * s.pixel, -1.0), 1.0);
        float taps[SUPPORT], sum = 0;
        int first = near_taps((eta - eta0(s)) / s.eta_step, taps);
        if (!within(first, s.length)) {
            *missing = 1;
            continue;
        }
        const float* at = terms + (long long)(i / s.eta_pixels) * s.length + first;
#pragma unroll
        for (int t = 0; t < SUPPORT; ++t) sum += taps[t] * at[t];
        out[i] = sum;
    }
}

// Then along xi, where the terms are combined at the pixel: rows of the image from `first_row` on. No number beyond the
// horizon. `missing` is set if a tap would have to come from outside the terms' images.
__global__ void level_along_xi(
    const float* lines, const Slant* slant, const float* in_q, int first_row, int rows, int* missing, float* out)
{
    const Slant s = *slant;
    unsigned all = (unsigned)rows * s.eta_pixels;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < all; i += gridDim.x * blockDim.x) {
        int pixel = i % s.eta_pixels;
        const Direction d = direction_of(s, first_row + i / s.eta_pixels, pixel);
        out[i] = nanf("");
        if (!d.seen) continue;
        float taps[SUPPORT], y = (float)((d.q - s.q_centre) * s.per_q), total = 0;
        int first = near_taps((d.xi - s.xi0) / s.xi_step, taps);
        if (!within(first, s.width)) {
            *missing = 1;
            continue;
        }
        for (int k = 0; k < s.terms; ++k) {
            const float* at = lines + ((long long)k * s.width + first) * s.eta_pixels + pixel;
            float sum = 0;
#pragma unroll
            for (int t = 0; t < SUPPORT; ++t) sum += taps[t] * at[(long long)t * s.eta_pixels];
            total += sum * of_term(in_q, s.powers_g, s.odd, k, y);
        }
        out[i] = total;
    }
}

// The same of any plane at once: 8 x 8 samples of each term at a pixel.
__global__ void sky_pixels(
    const float* terms, const Slant* slant, const float* in_q, int first_row, int rows, int* missing, float* out)
{
    const Slant s = *slant;
    unsigned all = (unsigned)rows * s.eta_pixels;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < all; i += gridDim.x * blockDim.x) {
        const Direction d = direction_of(s, first_row + i / s.eta_pixels, i % s.eta_pixels);
        out[i] = nanf("");
        if (!d.seen) continue;
        float of_xi[SUPPORT], of_eta[SUPPORT], y = (float)((d.q - s.q_centre) * s.per_q), total = 0;
        int column = near_taps((d.xi - s.a * d.q - s.xi0) / s.xi_step, of_xi);
        int sample = near_taps((d.eta - s.b * d.q - eta0(s)) / s.eta_step, of_eta);
        if (!within(column, s.width) || !within(sample, s.length)) {
            *missing = 1;
            continue;
        }
        for (int k = 0; k < s.terms; ++k) {
            const float* at = terms + ((long long)k * s.width + column) * s.length + sample;
            float sum = 0;
#pragma unroll
            for (int c = 0; c < SUPPORT; ++c, at += s.length) {
                float line = 0;
#pragma unroll
                for (int t = 0; t < SUPPORT; ++t) line += of_eta[t] * at[t];
                sum += of_xi[c] * line;
            }
            total += sum * of_term(in_q, s.powers_g, s.odd, k, y);
        }
        out[i] = total;
    }
}

}
