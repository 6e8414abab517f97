import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseWgsl, validate } from 'naga-wasm';
import { beforeAll, describe, expect, it } from 'vitest';
import { create, globals } from 'webgpu';
import type { RuleRow } from '../../src/optim/rule.js';
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

const modules = import.meta.glob<Record<string, Shader>>('../../src/shaders/**/*.gen.ts', { eager: true });
const shaders = new Map(
  Object.values(modules).flatMap((module) => Object.values(module).map((shader) => [shader.name, shader])),
);
const rows = Object.values(rules).map(({ row }) => row as RuleRow);

let device: GPUDevice;
// Kept referenced: Dawn's devices live as long as the object they came from.
let gpu: GPU;
beforeAll(async () => {
  Object.assign(globalThis, globals);
  gpu = create(['backend=null']);
  device = await (await gpu.requestAdapter())!.requestDevice();
});

describe.each(files)('%s', (file) => {
  const shader = shaders.get(file.replace(/\.wgsl$/, ''))!;

  it('is complete and valid for Tint, and makes a pipeline with the layout that was read from it', async () => {
    device.pushErrorScope('validation');
    const module = device.createShaderModule({ code: source(file) });
    const layout = device.createBindGroupLayout({
      entries: shader.bindings.map(({ binding, type, minSize }) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type, minBindingSize: minSize },
      })),
    });
    device.createComputePipeline({
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: shader.entryPoint, constants: {} },
    });
    const messages = (await module.getCompilationInfo()).messages.map(
      ({ message, lineNum }) => `${lineNum}: ${message}`,
    );
    expect(messages).toEqual([]);
    expect((await device.popErrorScope())?.message).toBeUndefined();
  });

  it('is valid for naga', () => {
    // Throws a NagaError with the line when it is not.
    const module = parseWgsl(source(file));
    const info = validate(module);
    expect(info).toBeDefined();
    info.free();
    module.free();
  });

  it('ships as the text it is', () => {
    expect(shader.code).toBe(source(file));
  });

  it('has at most 8 storage buffers, a uniform within 64 KiB, and a header comment of what it computes', () => {
    expect(shader.bindings.filter(({ type }) => type !== 'uniform').length).toBeLessThanOrEqual(8);
    for (const { type, minSize } of shader.bindings)
      if (type === 'uniform') expect(minSize).toBeLessThanOrEqual(65_536);
    expect(source(file)).toMatch(/^\/\/ \S/);
  });

  it('computes no power and tells no NaN by comparing', () => {
    const code = source(file).replace(/\/\/.*$/gm, '');
    // Per-step scalars come from the host in float64; x != x is false for NaN on adapters we tried.
    expect(code).not.toMatch(/\bpow\s*\(/);
    expect(code).not.toMatch(/\b(\w+)\s*!=\s*\1\b/);
  });
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
    expect(Object.entries(structs.Hyper!.fields).slice(0, 3)).toEqual([
      ['count', { offset: 0, type: 'u32' }],
      ['skip', { offset: 4, type: 'u32' }],
      ['grad_scale', { offset: 8, type: 'f32' }],
    ]);
    expect(code).toMatch(/\nstruct Out \{/);
    expect(code).toMatch(/\nfn rule\(p: vec4f, g: vec4f, .*h: Hyper\) -> Out \{/);
  });

  it.each(rows.map((row) => [row.name, row] as const))(
    '%s’s row computes every field and names its own slots',
    (_, row) => {
      const hyper = Object.fromEntries(Object.entries(row.fields).map(([key, field]) => [key, field.default]));
      const header = ['count', 'skip', 'grad_scale'];
      expect([...header, ...Object.keys(row.derive(1, hyper))].sort()).toEqual(
        Object.keys(row.shader.structs.Hyper!.fields).sort(),
      );
      const slots = row.shader.bindings.slice(3, -1).map(({ name }) => name);
      for (const slot of row.slots(hyper)) expect(slots).toContain(slot);
    },
  );
});
