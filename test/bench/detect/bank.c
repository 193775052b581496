/* The bank kernel in C, for the ratio in bench:detect: the same arithmetic as bankRun in src/detect/kernels.ts without the sums of
   the window, tick-major so that the compiler can vectorise over lanes.
   Arguments: data file (float32, ticks x lanes), lanes, ticks, repeats. Prints CPU ns per reading and a checksum. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv) {
  if (argc < 5) return 2;
  int lanes = atoi(argv[2]), ticks = atoi(argv[3]), repeats = atoi(argv[4]);
  size_t n = (size_t)lanes * ticks;
  float *x = aligned_alloc(64, (n * 4 + 63) / 64 * 64);
  float *m = aligned_alloc(64, (lanes * 4 + 63) / 64 * 64);
  float *g0 = calloc(lanes, 4), *g1 = calloc(lanes, 4), *g2 = calloc(lanes, 4);
  FILE *f = fopen(argv[1], "rb");
  if (!f || fread(x, 4, n, f) != n) return 3;
  float a[3], b[3];
  const float s[3] = {1.0f, 2.0f, 6.31f}, looks = 8.0f, clip = 9.25f, bias = 0.2709f, reach = 2.3032f, gain = 0.008f;
  for (int k = 0; k < 3; k++) a[k] = looks * s[k] / (1 + s[k]), b[k] = looks * log1pf(s[k]);
  for (int i = 0; i < lanes; i++) m[i] = -100.0f;
  struct timespec t0, t1;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t0);
  for (int r = 0; r < repeats; r++) {
    for (int t = 0; t < ticks; t++) {
      const float *row = x + (size_t)t * lanes;
      for (int i = 0; i < lanes; i++) {
        float d = row[i] - m[i];
        float p = exp2f(d * 0.33219281f);
        float l0 = fminf(a[0] * p - b[0], clip), l1 = fminf(a[1] * p - b[1], clip), l2 = fminf(a[2] * p - b[2], clip);
        float h0 = fminf(fmaxf(g0[i] + l0, 0), 32), h1 = fminf(fmaxf(g1[i] + l1, 0), 32), h2 = fminf(fmaxf(g2[i] + l2, 0), 32);
        float top = fmaxf(h0, fmaxf(h1, h2));
        float off = fminf(fmaxf(d + bias, -reach), reach);
        m[i] += top < 4 ? gain * off : 0;
        g0[i] = h0, g1[i] = h1, g2[i] = h2;
      }
    }
  }
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t1);
  double sum = 0;
  for (int i = 0; i < lanes; i++) sum += m[i] + g0[i] + g1[i] + g2[i];
  printf("%.3f %.3f\n", ((t1.tv_sec - t0.tv_sec) * 1e9 + (t1.tv_nsec - t0.tv_nsec)) / ((double)n * repeats), sum / lanes);
  return 0;
}
