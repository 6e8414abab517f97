import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { build } from 'vite';
import { expect, test } from 'vitest';
import { describeAdapter } from '../../src/gpu/device.js';
import { adam, createOptimizer, createTrainer, mlp, xor } from '../../src/index.js';
import { findDrivers, thisMachine } from '../../src/node/drivers.js';
import { requestDevice, requestGpu } from '../../src/node/index.js';
import { likeDevice, testDevice } from '../support/gpu.js';
import { collect } from '../support/train.js';

test('a device whose adapter has a name, and that computes', async () => {
  const device = await requestDevice({ label: 'mine' });
  const adapter = describeAdapter(device);
  expect(adapter.name).not.toBe('unnamed adapter');
  if (/llvmpipe|swiftshader/i.test(adapter.description)) expect(adapter.name).toMatch(/\(CPU adapter\)$/);
  expect(device.label).toBe('mine');

  const size = 256;
  const buffer = device.createBuffer({ size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  device.queue.writeBuffer(buffer, 0, new Uint8Array(size).fill(7));
  await buffer.mapAsync(GPUMapMode.READ);
  expect(new Uint8Array(buffer.getMappedRange())[size - 1]).toBe(7);
  device.destroy();
});

test('the search runs once; every call gives a device of its own, and the environment is as before', async () => {
  const before = { ...process.env };
  const [first, second] = await Promise.all([requestDevice(), requestDevice()]);
  expect(first).not.toBe(second);
  expect(await requestGpu()).toBe(await requestGpu());
  expect(process.env).toEqual(before);
  first.destroy();
  second.destroy();
});

test('options are checked before anything is loaded', async () => {
  await expect(requestDevice({ powerPreference: 'fast' as never })).rejects.toMatchObject({ code: 'OPTION-RANGE' });
  await expect(requestDevice({ lable: 'x' } as never)).rejects.toMatchObject({ code: 'OPTION-UNKNOWN' });
  // Dawn would end the process over such labels.
  for (const label of [Symbol('x'), 5, {}, null])
    await expect(requestDevice({ label } as never)).rejects.toMatchObject({ code: 'OPTION-TYPE' });
});

test('a device of the compatibility mode is refused by the limit that it lacks, one with that limit is not', async () => {
  const { gpu } = await requestGpu();
  const ask = async (requiredLimits: Record<string, number>) => {
    const adapter = await gpu.requestAdapter({ featureLevel: 'compatibility' } as GPURequestAdapterOptions);
    return adapter!.requestDevice({ requiredLimits });
  };
  const train = async (device: GPUDevice) => {
    const one = await createTrainer(device, {
      model: mlp({ sizes: [2, 8, 2] }),
      rule: adam(),
      data: xor(),
      batchSize: 4,
    });
    const [report] = await collect(one, { steps: 1 });
    one.destroy();
    return report!.loss;
  };
  const plain = await ask({});
  const lacks = (limit: string) => ({ code: 'LIMIT-BINDING', message: expect.stringContaining(limit) });
  await expect(train(plain)).rejects.toMatchObject(lacks('maxUniformBufferBindingSize of 65536'));
  await expect(createOptimizer(plain, adam(), [])).rejects.toMatchObject(lacks('allows 16384'));
  plain.destroy();
  const core = { maxUniformBufferBindingSize: 65_536, maxComputeInvocationsPerWorkgroup: 256 };
  const wide = await ask({ ...core, maxComputeWorkgroupSizeX: 256, maxComputeWorkgroupSizeY: 256 });
  expect(await train(wide)).toBeGreaterThan(0);
  wide.destroy();
  const device = await testDevice();
  const limits = { maxStorageBuffersPerShaderStage: 4, maxComputeInvocationsPerWorkgroup: 128 };
  for (const [limit, value] of Object.entries(limits))
    await expect(train(likeDevice(device, { limits: { [limit]: value } }))).rejects.toMatchObject(lacks(limit));
});

let program: Promise<string> | undefined;

/** What `ask-device.ts` prints with `env` over this process's environment. It is compiled once, in memory. */
async function ask(env: Record<string, string | undefined>) {
  program ??= compile(resolve(import.meta.dirname, 'ask-device.ts'));
  const result = spawnSync(process.execPath, ['--input-type=module', '-e', await program], {
    env: { ...process.env, VK_DRIVER_FILES: undefined, VK_ICD_FILENAMES: undefined, ...env },
    encoding: 'utf8',
  });
  const line = result.stdout.trim().split('\n').at(-1);
  if (!line) throw new Error(result.stderr);
  return JSON.parse(line);
}

async function compile(file: string): Promise<string> {
  const built = (await build({
    configFile: false,
    logLevel: 'silent',
    build: { ssr: file, write: false, target: 'node20' },
  })) as { output: { code: string }[] };
  return built.output[0]!.code;
}

test('a missing driver is NO-ADAPTER, and says what to do', async () => {
  const answer = await ask({ VK_DRIVER_FILES: '/nowhere/icd.json' });
  if (process.platform === 'darwin') return void expect(answer.driver.kind).toBe('system'); // Metal has no such choice
  expect(answer.code).toBe('NO-ADAPTER');
  expect(answer.message).toContain('/nowhere/icd.json');
  expect(answer.fix).toContain('Unset VK_DRIVER_FILES');
});

test('the variable DOWNHILL_CALM switches calm waiting off', async () => {
  const { VK_DRIVER_FILES, VK_ICD_FILENAMES } = process.env;
  const [calm, other] = [
    await ask({ VK_DRIVER_FILES, VK_ICD_FILENAMES }),
    await ask({ VK_DRIVER_FILES, VK_ICD_FILENAMES, DOWNHILL_CALM: '0' }),
  ];
  expect(calm.calm).toBe(/llvmpipe|swiftshader/i.test(calm.description));
  expect(other.calm).toBe(false);
});

test("a user's driver is used even where the search would have found a better one", async ({ skip }) => {
  const env = { ...process.env, VK_DRIVER_FILES: undefined, VK_ICD_FILENAMES: undefined };
  const swiftshader = findDrivers({ ...thisMachine(), env }).find(({ kind }) => kind === 'swiftshader');
  skip(swiftshader === undefined, 'no browser with SwiftShader is installed');
  const answer = await ask({ VK_DRIVER_FILES: swiftshader!.manifest });
  expect(answer.driver).toEqual({ kind: 'user' });
  expect(answer.description).toMatch(/swiftshader/i);
});

test("outside a user's choice, lavapipe is preferred to SwiftShader", async ({ skip }) => {
  const env = { ...process.env, VK_DRIVER_FILES: undefined, VK_ICD_FILENAMES: undefined };
  const kinds = findDrivers({ ...thisMachine(), env }).map(({ kind }) => kind);
  skip(
    !kinds.includes('lavapipe') || !kinds.includes('swiftshader'),
    'lavapipe and SwiftShader are not both installed',
  );
  expect((await ask({})).driver.kind).not.toBe('swiftshader');
});
