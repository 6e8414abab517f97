import { defineConfig } from 'vitest/config';

/** Tests that choose a driver or look for an adapter anew: each file is the only one of its process. */
const ALONE = ['tests/gpu/node-device.test.ts', 'tests/commands/doctor.test.ts'];

interface Options {
  include?: string[];
  exclude?: string[];
  maxWorkers?: number;
  retry?: number;
}

const suite = (name: string, options: Options = {}) => ({
  extends: true as const,
  test: { name, include: [`tests/${name}/**/*.test.ts`], ...options },
});

export default defineConfig({
  test: {
    // Processes, since the driver is chosen by environment variables, which worker threads cannot set. Two files at a
    // time: on a CPU adapter most of a GPU test is the driver compiling a shader, on one core.
    pool: 'forks',
    maxWorkers: 2,
    // A net for what hangs, not a measure of speed: the longest takes 50 s on SwiftShader alone, 120 s beside other work.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    server: { deps: { external: [/\/dist\/peers\//] } }, // imported by Node itself, as benchmarks do
    projects: [
      suite('unit'),
      suite('wgsl'),
      suite('gpu', { exclude: ALONE }),
      // What ends on any adapter alike: the command line, sweeps, examples.
      suite('commands', { exclude: ALONE }),
      suite('alone', { include: ALONE }),
      // Once more where it failed, which harness/second-try.ts says: the browser's processes, the graphics driver's and the test share
      // two cores, and what a test waits for may come late once. What fails twice is a defect.
      suite('browser', { retry: 1 }),
      // Other people's libraries, long runs, the page of benchmarks: all of it in CI, a case of each in the others. One file
      // at a time, since some of these libraries take every core; so nothing comes late, and nothing is tried twice.
      suite('slow', { maxWorkers: 1 }),
    ],
  },
});
