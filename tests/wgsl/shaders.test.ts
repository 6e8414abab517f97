import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseWgsl, validate } from 'naga-wasm';
import { beforeAll, describe, expect, it } from 'vitest';
import { create, globals } from 'webgpu';
import { emitted } from '../../harness/generate/emitted.js';
import { type RuleRow, recordFor, resolveRule } from '../../src/optim/rule.js';
import { rules } from '../../src/optim/rules.gen.js';
import type { Shader } from '../../src/shaders/shader.js';

/*
 * Every shader, by two validators that share no code: Tint (Dawn's null backend: no driver is asked) and naga. And the
 * contracts that no validator knows.
 */

const root = resolve(import.meta.dirname, '../..');
const files = readdirSync(resolve(root, 'shaders'), { recursive: true })
  .map((path) => String(path).replaceAll('\\', '/'))
  .filter((path) => path.endsWith('.wgsl'))
  .sort();
const source = (path: string) => readFileSync(resolve(root, 'shaders', path), 'utf8');

const modules = import.meta.glob<Record<string, Shader>>(
  ['../../src/shaders/*/*.gen.ts', '../../src/shaders/optim/*/*.gen.ts', '!../../src/shaders/texts/*'],
  {
    eager: true,
  },
);
const shaders = new Map(
  Object.values(modules).flatMap((module) => Object.values(module).map((shader) => [shader.name, shader])),
);
/** Of rules that are one kernel. */
const rows = Object.values(rules)
  .map(({ row }) => row as RuleRow)
  .filter(({ passes }) => !passes);

let device: GPUDevice;
// Kept referenced: Dawn's devices live as long as the object they came from.
let gpu: GPU;
beforeAll(async () => {
  Object.assign(globalThis, globals);
  gpu = create(['backend=null']);
  const adapter = (await gpu.requestAdapter())!;
  device = await adapter.requestDevice({ requiredFeatures: ['subgroups', 'shader-f16'] });
});

function makePipeline(shader: Shader, module: GPUShaderModule, constants: Record<string, number>): void {
  const layout = device.createBindGroupLayout({
    entries: shader.bindings.map(({ binding, type, minSize }) => ({
      binding,
      visibility: GPUShaderStage.COMPUTE,
      buffer: { type, minBindingSize: minSize },
    })),
  });
  device.createComputePipeline({
    layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
    compute: { module, entryPoint: shader.entryPoint, constants },
  });
}

const storageBuffers = ({ bindings }: Shader) => bindings.filter(({ type }) => type !== 'uniform').length;

/** What Tint says of a text, and of a pipeline with the layout that was read from it. */
async function complaintsOfTint(
  shader: Shader,
  code: string,
  constants: Record<string, number> = {},
): Promise<string[]> {
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ code });
  // The null backend binds 8 storage buffers: what has more makes its pipelines in the tests on a driver.
  if (storageBuffers(shader) <= 8) makePipeline(shader, module, constants);
  const messages = (await module.getCompilationInfo()).messages.map(({ message, lineNum }) => `${lineNum}: ${message}`);
  const error = await device.popErrorScope();
  return error ? [...messages, error.message] : messages;
}

/** Throws a NagaError with the line when a text is not valid. (It knows subgroups, but not yet that they are to be enabled.) */
function checkWithNaga(code: string): void {
  const module = parseWgsl(code.replace('enable subgroups;', ''));
  const info = validate(module);
  expect(info).toBeDefined();
  info.free();
  module.free();
}

/** Kernels of a whole step bind more than a device must have: their forms ask first, and SwiftShader has 12. */
const mostBuffers = (name: string) => (/_(chain|ending)_|^optim.*_gradient_/.test(name) ? 14 : 8);

function checkBindings(shader: Shader): void {
  expect(storageBuffers(shader)).toBeLessThanOrEqual(mostBuffers(shader.name));
  for (const { type, minSize } of shader.bindings) if (type === 'uniform') expect(minSize).toBeLessThanOrEqual(65_536);
}

function checkCode(text: string): void {
  const code = text.replace(/\/\/.*$/gm, '');
  // Per-step scalars come from the host in float64; x != x is false for NaN on adapters we tried.
  expect(code).not.toMatch(/\bpow\s*\(/);
  expect(code).not.toMatch(/\b(\w+)\s*!=\s*\1\b/);
}

describe.each(files)('%s', (file) => {
  const shader = shaders.get(file.replace(/\.wgsl$/, ''))!;

  it('is complete and valid for Tint, and makes a pipeline with the layout that was read from it', async () => {
    expect(await complaintsOfTint(shader, source(file))).toEqual([]);
  });

  it('is valid for naga', () => {
    checkWithNaga(source(file));
  });

  it('is bundled as the text it is, without comments, indentation and empty lines', async () => {
    const text = source(file).replace(/^\s*\/\/.*\n|[ ]*\/\/.*$/gm, '');
    expect(shader.code.split('\n')).toEqual(
      text
        .split('\n')
        .map((line) => line.trim())
        .filter(Boolean),
    );
    expect(await complaintsOfTint(shader, shader.code)).toEqual([]);
  });

  it('has at most 8 storage buffers, a uniform within 64 KiB, and a header comment of what it computes', () => {
    checkBindings(shader);
    expect(source(file)).toMatch(/^\/\/ \S/);
  });

  it('computes no power and tells no NaN by comparing', () => {
    checkCode(source(file));
  });
});

/** What no file under shaders/ holds: rules in the loops over foreign ranges (harness/generate/emit.ts), unrolled registers. */
const emittedShaders = [...shaders.values()].filter(({ name }) => !files.includes(`${name}.wgsl`));

describe.each(emittedShaders.map((shader) => [shader.name, shader] as const))('emitted %s', (_, shader) => {
  it('is complete and valid for Tint, with its flags off and on', async () => {
    const flags = Object.keys(shader.overrides).filter((key) => typeof shader.overrides[key] === 'boolean');
    for (const value of [0, 1]) {
      const constants: Record<string, number> = Object.fromEntries(flags.map((key) => [key, value]));
      if ('ACTIVE' in shader.overrides) constants.ACTIVE = value;
      expect(await complaintsOfTint(shader, shader.code, constants)).toEqual([]);
    }
  });

  it('is valid for naga', () => {
    checkWithNaga(shader.code);
  });

  it('has at most 8 storage buffers, but for whole steps, computes no power and tells no NaN by comparing', () => {
    checkBindings(shader);
    checkCode(shader.code);
  });
});

it('every rule’s file is emitted in its five forms, with its state packed or by rows where it may be, and beside them only what the generator lists', async () => {
  const formsOf = (name: string) => ['body', 'range', 'shared', 'rows', 'rows_shared'].map((form) => `${name}_${form}`);
  const names = [...new Set(rows.map(({ shader }) => shader.name))].flatMap(formsOf);
  const small = [
    ...new Set(rows.flatMap(({ shader, encodings }) => (encodings ? [shader.name.replace('optim', 'packed')] : []))),
  ];
  const packed = small.flatMap((name) =>
    ['16', '8'].flatMap((width) => ['walk', 'team', 'range'].map((form) => `${name}_${width}_${form}`)),
  );
  const perRow = rows.flatMap(({ shader, perRow: slots = {} }) =>
    Object.keys(slots).map((slot) => `${shader.name.replace('optim', 'per-row')}_${slot}`),
  );
  expect(emittedShaders.map(({ name }) => name).sort()).toEqual(
    [...names, ...packed, ...new Set(perRow), ...Object.keys(emitted())].sort(),
  );
  for (const { shader } of rows) {
    const forms = await Promise.all(Object.values(shader.forms!).map((load) => load()));
    expect(forms.map(({ name }) => name)).toEqual(formsOf(shader.name));
  }
});

describe('an update kernel', () => {
  it.each(rows.map((row) => [row.name, row] as const))('%s keeps the contract of bindings and rows', (_, row) => {
    const { bindings, structs, entryPoint, code } = row.shader;
    const names = bindings.map(({ name }) => name);
    expect(entryPoint).toBe('update');
    expect(names.slice(0, 3)).toEqual(['hyper', 'param', 'grad']);
    expect(names.at(-1)).toBe('group_of');
    expect(bindings[0]).toMatchObject({ type: 'uniform', minSize: 65_536 });
    for (const { name, type } of bindings.slice(1, -1)) expect([name, type]).toEqual([name, 'storage']);
    expect(structs.Hyper!.size).toBe(64);
    const header = { count: 'u32', skip: 'u32', grad_scale: 'f32', clip_value: 'f32', l2: 'f32', decay: 'f32' };
    expect(Object.entries(structs.Hyper!.fields).slice(0, 6)).toEqual(
      Object.entries(header).map(([name, type], i) => [name, { offset: 4 * i, type }]),
    );
    expect(code).toMatch(/\nstruct Out \{/);
    expect(code).toMatch(/\nfn rule\(p: vec4f, g: vec4f, .*h: Hyper\) -> Out \{/);
  });

  it.each(rows.map((row) => [row.name, row] as const))(
    '%s’s row computes every field and names its own slots',
    (_, row) => {
      const rule = resolveRule(rules, row.name);
      expect(Object.keys(recordFor(rule, 0)).sort()).toEqual(Object.keys(row.shader.structs.Hyper!.fields).sort());
      const slots = row.shader.bindings.slice(3, -1).map(({ name }) => name);
      for (const slot of row.slots(rule.hyper)) expect(slots).toContain(slot);
    },
  );
});
