import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { build } from 'vite';
import { beforeAll, describe, expect, it } from 'vitest';
import { ensureBuild } from '../../harness/setup/build.mjs';

const root = resolve(import.meta.dirname, '../..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const node = (code: string) =>
  execFileSync(process.execPath, ['--input-type=module', '-e', code], { cwd: root, encoding: 'utf8' });

beforeAll(() => ensureBuild());

describe('the package', () => {
  it('has no runtime dependency, and a lock file that names no host', () => {
    expect(manifest.dependencies ?? {}).toEqual({});
    expect(readFileSync(join(root, 'package-lock.json'), 'utf8')).not.toContain('"resolved"');
  });

  it('offers its entries by name, and importing them needs no WebGPU', () => {
    const code = `
      const names = ['downhill', 'downhill/node', 'downhill/kernels', 'downhill/reference', 'downhill/shaders/optim/adam'];
      for (const name of names) console.log(name, Object.keys(await import(name)).length);
      console.log(import.meta.resolve('downhill/shaders/optim/adam.wgsl'));`;
    const out = node(code);
    expect(out.match(/^downhill\S* [1-9]\d*$/gm)).toHaveLength(5);
    expect(out).toMatch(/shaders\/optim\/adam\.wgsl/);
  });

  it('takes one rule into a bundle where one rule is imported', async () => {
    const entry = join(root, 'dist/lib/index.js');
    const result = await build({
      configFile: false,
      logLevel: 'silent',
      build: {
        write: false,
        minify: false,
        rollupOptions: { input: 'virtual:entry', preserveEntrySignatures: 'strict' },
      },
      plugins: [
        {
          name: 'virtual-entry',
          resolveId: (id) => (id === 'virtual:entry' ? id : undefined),
          load: (id) => (id === 'virtual:entry' ? `export { sgd } from ${JSON.stringify(entry)};` : undefined),
        },
      ],
    });
    const chunks = [result].flat().flatMap((each) => ('output' in each ? each.output : []));
    const code = chunks.map((chunk) => (chunk.type === 'chunk' ? chunk.code : '')).join('');
    expect(code).toContain('momentum_buffer');
    expect(code).not.toContain('exp_avg');
    expect(code).not.toContain('weight_gradient');
  });

  it('declares types that need no @webgpu/types of ours', () => {
    const folder = mkdtempSync(join(tmpdir(), 'downhill-types-'));
    try {
      execFileSync(
        process.execPath,
        [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json', '--outDir', folder],
        { cwd: root },
      );
      const files = readdirSync(folder, { recursive: true })
        .map(String)
        .filter((path) => path.endsWith('.d.ts'));
      expect(files).toContain('index.d.ts');
      for (const path of files)
        expect(readFileSync(join(folder, path), 'utf8')).not.toMatch(/@webgpu\/types|vite\/client/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('lists in package.json only what exists', () => {
    for (const path of manifest.files.filter((each: string) => !each.startsWith('dist')))
      expect(existsSync(join(root, path))).toBe(true);
  });
});
