// The slant kernel's stages on a GPU: docs/kernel.md, where each step is derived. `slant.py` calls them in this order.
//
// Every loop strides over what there is by the number of threads, so that any number of them will do: the tests compile
// this file for the processor, with one thread a block, and compare its images with direct sums.

#define SUPPORT 8   // cells of the gridding kernel
#define DEGREE 11   // of its polynomials
#define TILE 16     // cells on a side of a tile of the uv plane
#define SIDE (TILE + SUPPORT - 1)  // of what the samples of a tile reach
#define TAPS 24
#define LOG_NODES 9  // 512 nodes in the table of taps

struct Slant {  // as `slant.py` packs it
    double xi0, xi_step, eta_centre, eta_step;  // rad: column 0, and sample v_size / 2, of the slanted image
    double a, b, q_centre, per_q;
    double pixel;             // rad
    int terms, odd, powers_f, powers_g;  // `odd`: bit k says that term k is odd; coefficients of f and of g
    int rows, row0, u_size, column0;     // of the grid: [term][row][u_size], u wrapped; columns from -column0
    int width, v_size;        // columns and samples of the slanted image
    int xi_pixels, eta_pixels;
};

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

extern "C" {

// Where each sample of a block falls: its cell, its place in it, its height and its value, turned to the image's centre
// and conjugated where v < 0. `key` is the tile, by which samples are sorted.
__global__ void locate(
    const double* rows,         // [row, (u, v in cells, phase in turns, height; per Hz)]
    const double* frequency,    // [channel] Hz
    const float2* visibility,   // [row, channel]
    int samples, int channels, int first, const Slant* slant, int tiles_across,
    int2* cell, float4* place, float2* value, int* key)
{
    const Slant s = *slant;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < samples; i += gridDim.x * blockDim.x) {
        const double* row = rows + 4 * (i / channels);
        double f = frequency[i % channels], sign = row[1] < 0 ? -1 : 1;
        double u = sign * row[0] * f, v = sign * row[1] * f, turns = row[2] * f;
        double whole_u = floor(u), whole_v = floor(v), wave = 6.283185307179586 * (turns - floor(turns + 0.5));
        float c = (float)cos(wave), d = (float)sin(wave);
        float2 z = visibility[i], out;
        out.x = z.x * c - z.y * d;
        out.y = (z.x * d + z.y * c) * (float)sign;
        int2 where;
        where.x = (int)whole_u - SUPPORT / 2 + 1 + s.column0;
        where.y = (int)whole_v - SUPPORT / 2 + 1 + s.row0;
        float4 at;
        at.x = (float)(2 * (u - whole_u) - 1);
        at.y = (float)(2 * (v - whole_v) - 1);
        at.z = (float)(row[3] * f);
        at.w = (float)sign;
        cell[first + i] = where;
        place[first + i] = at;
        value[first + i] = out;
        key[first + i] = where.y / TILE * tiles_across + where.x / TILE;
    }
}

// Samples of one tile, at most so many of them, are summed in shared memory and then added to the grid: thousands of
// samples meet in the core of the uv plane, and would wait for each other (Shih et al. 2021, arXiv:2102.08463).
__global__ void grid_tiles(
    const int* order, const int* begin, const int* end, const int* tile, int tiles_across, const Slant* slant,
    const float* weights,       // [DEGREE + 1, 16] highest power first; of each 16 the first 8 count
    const float* in_height, const int2* cell, const float4* place, const float2* value, float2* grid)
{
    const Slant s = *slant;
    extern __shared__ float2 sums[];  // [SIDE][SIDE][term]
    int part = blockIdx.x, top = tile[part] / tiles_across * TILE, left = tile[part] % tiles_across * TILE;
    for (int i = threadIdx.x; i < SIDE * SIDE * s.terms; i += blockDim.x) sums[i].x = sums[i].y = 0;
    __syncthreads();
    for (int n = begin[part] + threadIdx.x; n < end[part]; n += blockDim.x) {
        int i = order[n];
        int2 where = cell[i];
        float4 at = place[i];
        float2 z = value[i];
        float across[SUPPORT], down[SUPPORT];
        // Weights and cells alternate in sign: the image's centre becomes the middle of the transform.
        float flip = (where.x + where.y + s.column0 + s.row0) & 1 ? -1.0f : 1.0f;
        for (int c = 0; c < SUPPORT; ++c) {
            float x = weights[c], y = x;
            for (int d = 1; d <= DEGREE; ++d) {
                x = x * at.x + weights[16 * d + c];
                y = y * at.y + weights[16 * d + c];
            }
            across[c] = x;
            down[c] = y * flip;
        }
        float2* corner = sums + ((where.y - top) * SIDE + where.x - left) * s.terms;
        for (int k = 0; k < s.terms; ++k) {
            float f = polynomial(in_height + k * s.powers_f, s.powers_f, at.z);
            float re = z.x * f, im = z.y * f;
            if (s.odd >> k & 1) {  // V f / i, conjugated as V is where at.w is -1
                re = z.y * f * at.z * at.w;
                im = -z.x * f * at.z * at.w;
            }
            for (int r = 0; r < SUPPORT; ++r)
                for (int c = 0; c < SUPPORT; ++c) {
                    float2* sum = corner + (r * SIDE + c) * s.terms + k;
                    atomicAdd(&sum->x, down[r] * across[c] * re);
                    atomicAdd(&sum->y, down[r] * across[c] * im);
                }
        }
    }
    __syncthreads();
    for (int i = threadIdx.x; i < SIDE * SIDE * s.terms; i += blockDim.x) {
        float2 sum = sums[i];
        if (sum.x == 0 && sum.y == 0) continue;
        int k = i % s.terms, column = left + i / s.terms % SIDE - s.column0, row = top + i / s.terms / SIDE;
        if (column < 0) column += s.u_size;
        float2* to = grid + ((long long)k * s.rows + row) * s.u_size + column;
        atomicAdd(&to->x, sum.x);
        atomicAdd(&to->y, sum.y);
    }
}

// The columns of the slanted image, out of the transform over u, as half spectra over v: [term][column][v_size / 2 + 1].
// Rows of v < 0, where kernels near v = 0 reach over, are folded.
__global__ void half_spectra(const float2* rows, const Slant* slant, float2* out)
{
    const Slant s = *slant;
    int half = s.v_size / 2 + 1, first = s.u_size / 2 - s.width / 2, above = s.rows - s.row0;
    long long all = (long long)s.terms * half * s.width;
    for (long long i = blockIdx.x * blockDim.x + threadIdx.x; i < all; i += gridDim.x * blockDim.x) {
        int column = i % s.width, v = i / s.width % half, k = i / s.width / half;
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
        out[((long long)k * s.width + column) * half + v] = z;
    }
}

// The terms' real images [term][column][v_size] combined, and corrected for the gridding kernel: [column][v_size].
__global__ void combine(
    const float* terms, const Slant* slant, const float* in_q, const float* correct_xi, const float* correct_eta, float* out)
{
    const Slant s = *slant;
    long long all = (long long)s.width * s.v_size;
    for (long long i = blockIdx.x * blockDim.x + threadIdx.x; i < all; i += gridDim.x * blockDim.x) {
        int column = i / s.v_size, j = i % s.v_size;
        double xi = s.xi0 + column * s.xi_step, eta = s.eta_centre + (j - s.v_size / 2) * s.eta_step;
        float y = (float)((q_slanted(xi, eta, s.a, s.b) - s.q_centre) * s.per_q), sum = 0;
        for (int k = 0; k < s.terms; ++k) {
            float g = polynomial(in_q + k * s.powers_g, s.powers_g, y);
            sum += terms[k * all + i] * (s.odd >> k & 1 ? g * y : g);
        }
        float c = correct_xi[column] * correct_eta[j];
        out[i] = c == 0 ? 0 : sum * c;  // beyond what the image needs there may be no number
    }
}

__device__ float interpolate(const float* line, long long stride, int length, double position, const float* taps)
{
    double nearest = floor(position * (1 << LOG_NODES) + 0.5);
    int index = (int)nearest, sample = (index >> LOG_NODES) - (TAPS / 2 - 1);
    float rest = (float)(position - nearest / (1 << LOG_NODES)), sum = 0;
    sample = min(max(sample, 0), length - TAPS);
    const float* tap = taps + (index & ((1 << LOG_NODES) - 1)) * 2 * TAPS;
    for (int i = 0; i < TAPS; ++i) sum += line[(sample + i) * stride] * (tap[2 * i] + rest * tap[2 * i + 1]);
    return sum;
}

// Along eta, at the slanted xi of each column: [column][eta pixel].
__global__ void along_eta(const float* slanted, const Slant* slant, const float* taps, float* out)
{
    const Slant s = *slant;
    long long all = (long long)s.width * s.eta_pixels;
    for (long long i = blockIdx.x * blockDim.x + threadIdx.x; i < all; i += gridDim.x * blockDim.x) {
        int column = i / s.eta_pixels, pixel = i % s.eta_pixels;
        double xi = s.xi0 + column * s.xi_step, eta = (pixel - s.eta_pixels / 2) * s.pixel;
        double position = (eta - s.b * q_slanted(xi, eta, s.a, 0) - s.eta_centre) / s.eta_step + s.v_size / 2;
        out[i] = interpolate(slanted + (long long)column * s.v_size, 1, s.v_size, position, taps);
    }
}

// Along xi: out[xi pixel from `first` on][eta pixel].
__global__ void along_xi(const float* lines, const Slant* slant, const float* taps, int first, int count, float* out)
{
    const Slant s = *slant;
    long long all = (long long)count * s.eta_pixels;
    for (long long i = blockIdx.x * blockDim.x + threadIdx.x; i < all; i += gridDim.x * blockDim.x) {
        int pixel = i % s.eta_pixels;
        double xi = (first + i / s.eta_pixels - s.xi_pixels / 2) * s.pixel, eta = (pixel - s.eta_pixels / 2) * s.pixel;
        double r2 = xi * xi + eta * eta, q = -r2 / (1 + sqrt(1 - r2));
        out[i] = interpolate(lines + pixel, s.eta_pixels, s.width, (xi - s.a * q - s.xi0) / s.xi_step, taps);
    }
}

}
