import { afterEach, beforeAll, expect, it, vi } from 'vitest';
import { TRAINED_RULES } from '../../harness/common/settings.js';
import type { DoctorReport } from '../../harness/doctor/report.js';
import { ensureBuild } from '../../harness/setup/build.mjs';
import { ACTIVATIONS, LOSSES } from '../../src/index.js';
import { downhill } from '../support/cli.js';

beforeAll(() => ensureBuild());
afterEach(() => vi.unstubAllEnvs());

it('finds an adapter here, and every rule, activation and loss agrees with the reference on it', async () => {
  const { code, out, err } = await downhill(['doctor', '--json']).done;
  const report: DoctorReport = JSON.parse(out);
  expect(report.problems, err).toEqual([]);
  expect(code).toBe(0);
  expect(report.adapter).toMatchObject({ name: expect.stringMatching(/\S/), cpu: expect.any(Boolean) });
  expect(report.adapter!.limits.maxBufferSize).toBeGreaterThanOrEqual(2 ** 28);
  expect(report.adapter!.limits.maxStorageBuffersPerShaderStage).toBeGreaterThanOrEqual(8);
  expect(report.driver!.kind).toMatch(/^(user|system|lavapipe|swiftshader)$/);
  expect(report.versions).toMatchObject({ node: process.versions.node, webgpu: expect.any(String) });

  expect(report.selfTest.filter(({ ok }) => !ok)).toEqual([]);
  const names = report.selfTest.map(({ name }) => name.split(', '));
  expect(new Set(names.map(([rule]) => rule))).toEqual(new Set(TRAINED_RULES.map(([, { title }]) => title)));
  expect(new Set(names.map(([, activation]) => activation))).toEqual(new Set(ACTIVATIONS));
  expect(new Set(names.map(([, , loss]) => loss))).toEqual(new Set(LOSSES));
});

it('ends with 1 and says what to do where there is no adapter', async () => {
  vi.stubEnv('VK_DRIVER_FILES', '/nowhere.json');
  const { code, out } = await downhill(['doctor', '--json']).done;
  expect(code).toBe(1);
  const report: DoctorReport = JSON.parse(out);
  expect(report).toMatchObject({ adapter: null, selfTest: [] });
  expect(report.problems[0]).toMatchObject({ code: 'NO-ADAPTER', fix: expect.stringMatching(/VK_DRIVER_FILES/) });
});

it('suggests the flag that was meant', async () => {
  const { code, out, err } = await downhill(['doctor', '--jsn']).done;
  expect({ code, out }).toEqual({ code: 2, out: '' });
  expect(err).toMatch(/doctor has no flag --jsn\.\n +fix +Did you mean '--json'\?\n +code +OPTION-UNKNOWN/);
});
