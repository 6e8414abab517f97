import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensurePackages } from '../../harness/setup/packages.mjs';

/** The package as npm packs it, in a folder of a user's that has nothing of this repository but the peers. */

const root = resolve(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'downhill-user-'));
const at = (...path: string[]) => join(folder, ...path);
const npm = (...args: string[]) => execFileSync('npm', args, { cwd: root, encoding: 'utf8' });
const node = (...args: string[]) => execFileSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });

/** A peer as a user installs it; from this repository's packages, so that the test needs no network. */
const peer = (name: string) => execFileSync('cp', ['-r', join(root, 'node_modules', name), at('node_modules', name)]);

beforeAll(() => {
  ensurePackages(join(root, 'tests/types'), 'checks');
  npm('pack', '--silent', '--pack-destination', folder); // builds
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  mkdirSync(at('node_modules/@webgpu'), { recursive: true });
  execFileSync('tar', ['xzf', at(`downhill-${version}.tgz`), '-C', at('node_modules')]);
  execFileSync('mv', [at('node_modules/package'), at('node_modules/downhill')]);
  writeFileSync(at('package.json'), '{ "type": "module" }');
  copyFileSync(join(root, 'tests/types/user.ts'), at('user.ts'));
}, 180_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('TypeScript finds the types of', () => {
  const COMPILERS = {
    5.9: 'tests/types/node_modules/typescript-5.9',
    '6.0': 'node_modules/typescript',
    '7.0': 'tests/types/node_modules/typescript-7.0',
  };
  // WebGPU's names come from @webgpu/types, or, since TypeScript 6.0, from its own lib.dom: with both, @webgpu/types has
  // errors of its own unless skipLibCheck is set.
  const webgpu = ['--types', '@webgpu/types'];
  const cases = Object.entries(COMPILERS).flatMap(([version, compiler]) => [
    { version, compiler, how: 'skipLibCheck and @webgpu/types', flags: ['--skipLibCheck', ...webgpu] },
    version === '5.9'
      ? { version, compiler, how: 'all checked, with @webgpu/types', flags: webgpu }
      : { version, compiler, how: 'all checked, with lib.dom alone', flags: [] },
  ]);

  beforeAll(() => peer('@webgpu/types')); // and not @types/node: a page's author may lack them

  it.each(cases)('every entry: $version, $how', ({ version, compiler, flags }) => {
    const tsc = join(root, compiler, 'bin/tsc');
    expect(node(tsc, '--version')).toContain(`Version ${version}.`);
    const options = ['--noEmit', '--strict', '--noUncheckedIndexedAccess', '--exactOptionalPropertyTypes'];
    const target = ['--target', 'es2022', '--lib', 'es2022,dom', '--module'];
    for (const module of [['esnext', '--moduleResolution', 'bundler'], ['nodenext']])
      expect(tscErrors(tsc, [...options, ...target, ...module, ...flags, 'user.ts'])).toBe('');
  });

  it('which need no @webgpu/types of ours', () => {
    const lib = at('node_modules/downhill/dist/lib');
    const files = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.d.ts'));
    expect(files).toContain('index.d.ts');
    for (const path of files)
      expect(readFileSync(join(lib, path), 'utf8')).not.toMatch(/@webgpu\/types|vite\/client|NodeJS\./);
  });

  function tscErrors(tsc: string, args: readonly string[]): string {
    try {
      return node(tsc, ...args);
    } catch (error) {
      return (error as { stdout: string }).stdout;
    }
  }
});

describe('an installed package', () => {
  const bin = () => at('node_modules/downhill/harness/downhill.mjs');

  it('is imported by Node', () => {
    const code = `for (const name of ['', '/node', '/kernels', '/reference', '/schedules', '/fields', '/csv', '/onnx', '/checks', '/problems', '/landscape', '/search', '/bundle', '/shaders/optim/adam'])
      console.log(Object.keys(await import('downhill' + name)).length > 0);`;
    expect(node('--input-type=module', '-e', code)).toBe('true\n'.repeat(14));
  });

  it('is bundled by Vite, with the text of a kernel', async () => {
    writeFileSync(
      at('main.js'),
      `import { adam } from 'downhill';\nimport text from 'downhill/shaders/optim/adam.wgsl?raw';\nconsole.log(adam, text);`,
    );
    const result = await build({
      configFile: false,
      root: folder,
      logLevel: 'silent',
      build: { write: false, minify: false, rollupOptions: { input: at('main.js') } },
    });
    const chunks = [result].flat().flatMap((each) => ('output' in each ? each.output : []));
    const code = chunks.map((chunk) => (chunk.type === 'chunk' ? chunk.code : '')).join('');
    expect(code).toContain('AMSGrad (Reddi et al. 2018)'); // the comments of the hand-written file
  });

  it('serves its pages, with nothing else installed', async () => {
    const child = spawn(process.execPath, [bin(), 'page', '--port', '0'], { cwd: folder });
    const ended = once(child, 'exit');
    try {
      let said = '';
      child.stdout.on('data', (chunk) => {
        said += chunk;
      });
      await expect.poll(() => said, { timeout: 30_000 }).toMatch(/Ctrl\+C/);
      const url = /http:\S+/.exec(said)![0];
      for (const page of ['', 'bench.html']) {
        const text = await (await fetch(url + page)).text();
        const script = /src="\.\/(assets\/[^"]+\.js)"/.exec(text)![1]!;
        expect((await fetch(url + script)).status, script).toBe(200);
      }
    } finally {
      child.kill('SIGINT');
    }
    expect(await ended).toEqual([null, 'SIGINT']);
  });

  it('says what is missing, then trains and measures', () => {
    const fail = () => node(bin(), 'train', '--steps', '20');
    expect(fail).toThrow(/npm install .*webgpu/);
    peer('webgpu');
    expect(node(bin(), 'train', '--steps', '20', '--out', 'run')).toMatch(/20\/20 {2}loss \d/);
    expect(readFileSync(at('run/loss.svg'), 'utf8')).toContain('<svg');
    expect(node(bin(), 'bench', '--help')).toContain('npx downhill bench');
  });

  it('draws charts as SVG, and says what draws them as PNG', () => {
    const args = [bin(), 'bench', 'readback', '--quick', '--out', 'charts'];
    const { status, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
    expect(status, stderr).toBe(0);
    expect(stderr.replace(/\s+/g, ' ')).toContain('1 chart (svg; png too after: npm install @resvg/resvg-wasm');
    expect(readdirSync(at('charts')).sort()).toEqual(['readback-node.svg', 'report.json', 'report.md']);
  });
});
