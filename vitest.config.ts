import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // GPU tests share two cores and one driver: one file at a time, each in its own process (the driver is chosen by
    // environment variables, which worker threads cannot set).
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    server: { deps: { external: [/\/dist\/peers\//] } }, // imported by Node itself, as benchmarks do
    projects: ['unit', 'wgsl', 'gpu', 'browser', 'slow'].map((name) => ({
      extends: true as const,
      test: { name, include: [`tests/${name}/**/*.test.ts`] },
    })),
  },
});
