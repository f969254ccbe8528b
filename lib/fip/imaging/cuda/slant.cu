// The slant kernel's stages on a GPU: docs/kernel.md, where each step is derived. `gridding.py` and `slant.py` call them
// in this order. What is in this file is known in those that follow it (`SOURCES` in device.py).
//
// Every loop strides over what there is by the number of threads, so that any number of them will do: the tests compile
// this file for the processor, with one thread a block, and compare its images with direct sums.

#define SUPPORT 8   // cells of the gridding kernel
#define DEGREE 11   // of its polynomials
#define LANES 32    // threads that grid a sample together, each two neighbours of its 8 x 8 cells
#define TAPS 24
#define PAIRS (TAPS / 2)
#define EVEN 6      // coefficients of a pair of taps that is even in the position, and of one that is odd
#define ODD 5
#define TURN 32     // elements on a side of what is transposed at a time

struct Slant {  // as `packing.py` packs it
    double xi0, xi_step, eta_centre, eta_step;  // rad: column 0, and sample v_size / 2, of the slanted image, or a term's
    double a, b, q_centre, per_q;
    double pixel;             // rad
    int terms, odd, powers_f, powers_g;  // `odd`: bit k says that term k is odd; coefficients of f and of g
    int rows, row0, u_size, column0;     // of the grid: [term][row][u_size], u wrapped; columns from -column0
    int width, v_size;        // columns and samples of the slanted image, or a term's
    int length;               // samples of these that an image of the sky needs, the middle ones
    int xi_pixels, eta_pixels;
};

struct Block {  // samples of the same channels, [row][channel]
    int first, first_row, first_frequency, channels;  // `first`: how many samples the blocks before it have
};

struct Sample {
    double u, v, turns, height;  // cells, cells, the phase of the image's centre, and in [-1, 1]
};

// The i-th of all blocks; `rows` are per Hz.
__device__ Sample sample_at(const double* rows, const double* frequency, const Block* blocks, int i)
{
    while (i >= blocks[1].first) ++blocks;
    int number = i - blocks->first;
    const double* row = rows + 4 * (blocks->first_row + number / blocks->channels);
    double f = frequency[blocks->first_frequency + number % blocks->channels];
    Sample s = {row[0] * f, row[1] * f, row[2] * f, row[3] * f};
    return s;
}

__device__ double q_slanted(double x, double y, double a, double b) {
    double r2 = x * x + y * y, linear = 1 + a * x + b * y;
    double below = linear * linear - (1 + a * a + b * b) * r2;
    return -r2 / (linear + sqrt(fmax(below, 0.0)));
}

__device__ float polynomial(const float* c, int count, float y) {  // in 2 y^2 - 1
    float x = 2 * y * y - 1, sum = c[count - 1];
    for (int i = count - 2; i >= 0; --i) sum = sum * x + c[i];
    return sum;
}

// Of term k at y, whose coefficients are c.
__device__ float of_term(const float* c, int count, int odd, int k, float y)
{
    float value = polynomial(c + k * count, count, y);
    return odd >> k & 1 ? value * y : value;
}

// What takes the gridding kernel out, 1 over its transform, at a place over the transform's size.
__device__ float correction(const float* coefficients, int count, float at)
{
    float x = at * at, sum = coefficients[count - 1];
    for (int c = count - 2; c >= 0; --c) sum = sum * x + coefficients[c];
    return sum;
}

__device__ void add(float2* to, float re, float im)
{
#if __CUDA_ARCH__ >= 900
    atomicAdd(to, make_float2(re, im));
#else
    atomicAdd(&to->x, re);
    atomicAdd(&to->y, im);
#endif
}

extern "C" {

// Half the sum and half the difference of taps i and TAPS - 1 - i, in powers of y^2, the highest first, the odd ones
// times y, where y in [-1, 1] is the place between two samples. `slant.py` sets them. Constants cost no load.
__constant__ float tap_even[PAIRS * EVEN];
__constant__ float tap_odd[PAIRS * ODD];

// Adds samples to the half plane [term][row][u_size]: each is turned to the image's centre, conjugated where v < 0, and
// spread over its cells, times each term's function of its height. Neighbours are added in one access of 64 bytes, and
// additions of many samples to one cell meet in the cache, not in memory: on an H200 that is faster than to sort them.
__global__ void grid_samples(
    const double* rows,         // [row, (u, v in cells, phase in turns, height; per Hz)]
    const double* frequency,    // Hz
    const float2* visibility,
    const Block* blocks, int first, int end, const Slant* slant,
    const float* weights,       // [DEGREE + 1, 16] highest power first; of each 16 the first 8 count
    const float* in_height, float2* grid)
{
    const Slant s = *slant;
    int step = max(gridDim.x * blockDim.x / LANES, 1u);
    for (int lane = threadIdx.x % LANES; lane < LANES; lane += blockDim.x) {
        int r = lane / 4, c = lane % 4 * 2;
        float of_row[DEGREE + 1], of_column[DEGREE + 1], of_next[DEGREE + 1];
        for (int d = 0; d <= DEGREE; ++d) {
            of_row[d] = weights[16 * d + r];
            of_column[d] = weights[16 * d + c];
            of_next[d] = weights[16 * d + c + 1];
        }
        for (int i = first + (blockIdx.x * blockDim.x + threadIdx.x) / LANES; i < end; i += step) {
            const Sample sample = sample_at(rows, frequency, blocks, i);
            double sign = sample.v < 0 ? -1 : 1, u = sign * sample.u, v = sign * sample.v, turns = sample.turns;
            double whole_u = floor(u), whole_v = floor(v);
            float sine, cosine, x = (float)(2 * (u - whole_u) - 1), y = (float)(2 * (v - whole_v) - 1);
            float height = (float)sample.height, down = of_row[0], left = of_column[0], right = of_next[0];
            sincospif((float)(2 * (turns - floor(turns + 0.5))), &sine, &cosine);
            float2 z = visibility[i];
            float re = z.x * cosine - z.y * sine, im = (z.x * sine + z.y * cosine) * (float)sign;
            for (int d = 1; d <= DEGREE; ++d) {
                down = down * y + of_row[d];
                left = left * x + of_column[d];
                right = right * x + of_next[d];
            }
            int column = (int)whole_u - SUPPORT / 2 + 1, line = (int)whole_v - SUPPORT / 2 + 1;
            // Weights and cells alternate in sign: the image's centre becomes the middle of the transform.
            if ((column + line) & 1) down = -down;
            int here = column + c, next = here + 1;
            if (here < 0) here += s.u_size;
            if (next < 0) next += s.u_size;
            for (int k = 0; k < s.terms; ++k) {
                float2* to = grid + ((long long)k * s.rows + s.row0 + line + r) * s.u_size;
                float g = down * of_term(in_height, s.powers_f, s.odd, k, height);
                float gr = g * re, gi = g * im;
                if (s.odd >> k & 1) {  // V f / i, conjugated as V is where `sign` is -1
                    gr = g * im * (float)sign;
                    gi = -g * re * (float)sign;
                }
                add(to + here, left * gr, left * gi);
                add(to + next, right * gr, right * gi);
            }
        }
    }
}

// The columns of the slanted image, out of the transform over u, as half spectra over v: [term][column][v_size / 2 + 1].
// Rows of v < 0, where kernels near v = 0 reach over, are folded. Squares are turned in shared memory, so that reads and
// writes are both of neighbours.
__global__ void half_spectra(const float2* rows, const Slant* slant, float2* out)
{
    const Slant s = *slant;
    __shared__ float2 turned[TURN * (TURN + 1)];
    int half = s.v_size / 2 + 1, first = s.u_size / 2 - s.width / 2, above = s.rows - s.row0;
    int across = (s.width + TURN - 1) / TURN, down = (half + TURN - 1) / TURN;
    for (int square = blockIdx.x; square < s.terms * across * down; square += gridDim.x) {
        int left = square % across * TURN, top = square / across % down * TURN, k = square / across / down;
        for (int i = threadIdx.x; i < TURN * TURN; i += blockDim.x) {
            int column = left + i % TURN, v = top + i / TURN;
            if (column >= s.width || v >= half) continue;
            const float2* at = rows + (long long)k * s.rows * s.u_size + first + column;
            float2 z;
            z.x = z.y = 0;
            if (v < above) z = at[(long long)(s.row0 + v) * s.u_size];
            if (v == 0) {
                z.x *= 2;
                z.y = 0;
            } else if (v <= s.row0) {
                float2 low = at[(long long)(s.row0 - v) * s.u_size];
                z.x += low.x;
                z.y -= low.y;
            }
            turned[i / TURN * (TURN + 1) + i % TURN] = z;
        }
        __syncthreads();
        for (int i = threadIdx.x; i < TURN * TURN; i += blockDim.x) {
            int column = left + i / TURN, v = top + i % TURN;
            if (column < s.width && v < half)
                out[((long long)k * s.width + column) * half + v] = turned[i % TURN * (TURN + 1) + i / TURN];
        }
        __syncthreads();
    }
}

// Of each column of the slanted image, and then of each of its samples: its correction; 0 beyond what an image needs.
// Half of it is a column's, as the half plane is counted twice.
__global__ void corrections(const Slant* slant, const float* coefficients, int count, float edge, float* out)
{
    const Slant s = *slant;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < s.width + s.v_size; i += gridDim.x * blockDim.x) {
        int j = i - s.width;
        float at = (float)(i < s.width ? (double)(i - s.width / 2) / s.u_size : (double)(j - s.v_size / 2) / s.v_size);
        float factor = correction(coefficients, count, at);
        out[i] = fabs(at) > edge ? 0 : i < s.width ? factor / 2 : factor;
    }
}

// The terms' real images [term][column][v_size] combined, and corrected for the gridding kernel: [column][v_size].
__global__ void combine(
    const float* terms, const Slant* slant, const float* in_q, const float* correct, float* out)
{
    const Slant s = *slant;
    unsigned all = (unsigned)s.width * s.v_size;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < all; i += gridDim.x * blockDim.x) {
        int column = i / s.v_size, j = i % s.v_size;
        double xi = s.xi0 + column * s.xi_step, eta = s.eta_centre + (j - s.v_size / 2) * s.eta_step;
        float y = (float)((q_slanted(xi, eta, s.a, s.b) - s.q_centre) * s.per_q), sum = 0;
        for (int k = 0; k < s.terms; ++k) sum += terms[k * all + i] * of_term(in_q, s.powers_g, s.odd, k, y);
        float c = correct[column] * correct[s.width + j];
        out[i] = c == 0 ? 0 : sum * c;  // beyond what the image needs there may be no number
    }
}

// No number where a tap would have to come from outside the line.
__device__ float interpolate(const float* line, long long stride, int length, double position)
{
    double whole = floor(position);
    int sample = (int)whole - (PAIRS - 1);
    if (!(sample >= 0 && sample <= length - TAPS)) return nanf("");
    float y = (float)(2 * (position - whole) - 1), x = y * y, sum = 0;
    line += sample * stride;
#pragma unroll
    for (int i = 0; i < PAIRS; ++i) {
        float even = tap_even[i * EVEN], odd = tap_odd[i * ODD];
#pragma unroll
        for (int d = 1; d < EVEN; ++d) even = even * x + tap_even[i * EVEN + d];
#pragma unroll
        for (int d = 1; d < ODD; ++d) odd = odd * x + tap_odd[i * ODD + d];
        float low = line[i * stride], high = line[(TAPS - 1 - i) * stride];
        sum += even * (low + high) + odd * y * (low - high);
    }
    return sum;
}

// Along eta, at the slanted xi of each column: [column][eta pixel].
__global__ void along_eta(const float* slanted, const Slant* slant, float* out)
{
    const Slant s = *slant;
    unsigned all = (unsigned)s.width * s.eta_pixels;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < all; i += gridDim.x * blockDim.x) {
        int column = i / s.eta_pixels, pixel = i % s.eta_pixels;
        double xi = s.xi0 + column * s.xi_step, eta = (pixel - s.eta_pixels / 2) * s.pixel;
        double position = (eta - s.b * q_slanted(xi, eta, s.a, 0) - s.eta_centre) / s.eta_step + s.v_size / 2;
        out[i] = interpolate(slanted + (long long)column * s.v_size, 1, s.v_size, position);
    }
}

// Along xi, a band of the image: out[xi pixel from `first_xi` on][eta pixel from `first_eta` on]. `missing` is set where
// a pixel is no number.
__global__ void along_xi(
    const float* lines, const Slant* slant, int first_xi, int count_xi, int first_eta, int count_eta, int* missing, float* out)
{
    const Slant s = *slant;
    unsigned all = (unsigned)count_xi * count_eta;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < all; i += gridDim.x * blockDim.x) {
        int line = first_xi + i / count_eta, pixel = first_eta + i % count_eta;
        double xi = (line - s.xi_pixels / 2) * s.pixel, eta = (pixel - s.eta_pixels / 2) * s.pixel;
        double r2 = xi * xi + eta * eta, q = -r2 / (1 + sqrt(1 - r2));
        float value = interpolate(lines + pixel, s.eta_pixels, s.width, (xi - s.a * q - s.xi0) / s.xi_step);
        if (value != value) *missing = 1;
        out[i] = value;
    }
}

}
