/** Kernels with one small mistake each, in a copy of the tree: some test must notice every one of them. */
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { requestDevice } from '../../src/node/index.js';
import { findGpu } from '../common/quiet.js';
import type { Campaign, Case } from './campaign.js';
import { caseRandom } from './case-random.js';
import { type Tests, testsOf } from './concerned.js';
import { KINDS, type Site, sitesOf } from './mutations.js';
import { ROOT } from './process.js';

/** A mutant that runs for ever is noticed, too. */
const LONGEST_MS = 900_000;
/** Draws of a place until one compiles: a mistake that the compiler tells needs no test. */
const MOST_DRAWS = 40;
const GOLDEN = (Math.sqrt(5) - 1) / 2;

interface Kernel {
  /** optim/adam */
  readonly name: string;
  readonly text: string;
}

interface Mutant extends Site {
  readonly kernel: string;
  readonly kind: string;
}

export const mutants: Campaign = {
  name: 'mutants',
  attacks: 'puts one small mistake into a kernel, in a copy of the tree, which a test must notice',
  unit: 'mutants',
  sizes: { short: 3, full: 40 },
  async run(context) {
    await findGpu();
    const device = await requestDevice({ label: 'downhill:mutants' });
    const kernels = readKernels();
    const tree = copyTree(context.folder);
    const killed: Record<string, number> = {};
    try {
      for (const each of context.cases()) {
        const mutant = await draw(kernels, each, context.seed, device);
        const { kernel, kind, line, before, after } = mutant;
        if (await survives(mutant, tree, context.signal))
          context.fail(`No test notices ${kind} in shaders/${kernel}.wgsl:${line}: '${before}' became '${after}'.`);
        else killed[kind] = (killed[kind] ?? 0) + 1;
        context.figure('killed', KINDS.map((name) => `${name} ${killed[name] ?? 0}`).join(', '));
      }
    } finally {
      device.destroy();
    }
  },
};

export function readKernels(): Kernel[] {
  return readdirSync(join(ROOT, 'shaders'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.wgsl'))
    .sort()
    .map((path) => ({
      name: path.replaceAll('\\', '/').replace(/\.wgsl$/, ''),
      text: readFileSync(join(ROOT, 'shaders', path), 'utf8'),
    }));
}

/** The files of the working tree that git knows or would take; packages stay where they are. */
function copyTree(folder: string): string {
  const tree = join(folder, 'tree');
  const list = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], { cwd: ROOT, encoding: 'utf8' });
  for (const path of list.split('\0').filter((each) => each !== '')) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    cpSync(join(ROOT, path), join(tree, path));
  }
  symlinkSync(join(ROOT, 'node_modules'), join(tree, 'node_modules'));
  return tree;
}

/**
 * Kinds take turns, and folders within them; the places of a kind in a folder come in steps of the golden ratio, from a
 * start that the seed says: far apart, and none twice before most had their turn.
 */
export async function draw(
  kernels: readonly Kernel[],
  { index, random }: Case,
  seed: number,
  device: GPUDevice,
): Promise<Mutant> {
  const turn = index % KINDS.length;
  const kind = KINDS[turn]!;
  const all = kernels.flatMap(({ name, text }) =>
    sitesOf(text, kind).map((site) => ({ ...site, kind, kernel: name, sound: text })),
  );
  const folders = [...new Set(all.map(({ kernel }) => folderOf(kernel)))];
  const round = Math.floor(index / KINDS.length);
  const folder = folders[round % folders.length]!;
  const places = all.filter(({ kernel }) => folderOf(kernel) === folder);
  let at = caseRandom(seed, -2 - turn)() + Math.floor(round / folders.length) * GOLDEN;
  for (let i = 0; i < MOST_DRAWS; i++) {
    const { sound, ...mutant } = places[Math.floor((at % 1) * places.length)]!;
    // Passes and problems are whole only with what the generator adds.
    if ((await compiles(device, mutant.text)) || !(await compiles(device, sound))) return mutant;
    at = random();
  }
  throw new Error(`No place for ${kind} in shaders/${folder} compiles.`);
}

const folderOf = (kernel: string): string => kernel.split('/', 1)[0]!;

async function compiles(device: GPUDevice, code: string): Promise<boolean> {
  device.pushErrorScope('validation');
  const { messages } = await device.createShaderModule({ label: 'mutant', code }).getCompilationInfo();
  await device.popErrorScope();
  return !messages.some(({ type }) => type === 'error');
}

/** Whether all tests that concern it pass with the mutant. The tree is then as it was. */
async function survives({ kernel, text }: Mutant, tree: string, signal: AbortSignal): Promise<boolean> {
  const file = join(tree, 'shaders', `${kernel}.wgsl`);
  const sound = readFileSync(file);
  writeFileSync(file, text);
  try {
    const { code, out } = await run(['harness/run.mjs', 'harness/generate/main.ts', '--kernels'], tree, signal);
    if (code !== 0) throw new Error(`The generator ended with ${code} for ${kernel}:\n${out.slice(-2000)}`);
    for (const tests of testsOf(kernel)) if (await fails(tests, tree, signal)) return false;
    return true;
  } finally {
    writeFileSync(file, sound);
  }
}

/** Whether a test fails; that it passes otherwise is what `npm test` says. */
async function fails({ files, named }: Tests, tree: string, signal: AbortSignal): Promise<boolean> {
  const report = join(tree, 'torture-report.json');
  rmSync(report, { force: true });
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--project', 'gpu', ...files, '--bail', '1'];
  const quiet = ['--reporter', 'json', `--outputFile=${report}`, '--no-file-parallelism'];
  const { code, out, late } = await run([...vitest, ...quiet, ...(named ? ['-t', named] : [])], tree, signal);
  if (late) return true; // a loop that does not end
  if (code === 0) return false;
  if (!existsSync(report)) throw new Error(`The tests ${files.join(', ')} did not end (${code}):\n${out.slice(-2000)}`);
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as {
    readonly testResults: readonly { readonly message: string; readonly assertionResults: readonly Result[] }[];
  };
  const results = testResults.flatMap(({ assertionResults }) => assertionResults);
  const said = [
    ...testResults.map(({ message }) => message),
    ...results.flatMap((each) => each.failureMessages),
  ].join();
  // Nothing but a test that looks may say so.
  if (results.some(({ status }) => status === 'failed') && !said.includes('NO-ADAPTER')) return true;
  throw new Error(`The tests ${files.join(', ')} could not run:\n${said}\n${out.slice(-2000)}`);
}

interface Result {
  readonly status: string;
  readonly failureMessages: readonly string[];
}

/** Runs Node in the tree. @returns late where it took too long, and was killed */
function run(
  args: readonly string[],
  tree: string,
  signal: AbortSignal,
): Promise<{ code: number | null; out: string; late: boolean }> {
  signal.throwIfAborted();
  return new Promise((done, broke) => {
    // A group of its own, so that the tests' own processes end with it.
    const child = spawn(process.execPath, args, { cwd: tree, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (out += text));
    const end = () => process.kill(-child.pid!, 'SIGKILL');
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      end();
    }, LONGEST_MS);
    signal.addEventListener('abort', end);
    child.on('error', broke);
    child.on('exit', (code) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      if (signal.aborted) broke(signal.reason);
      else done({ code, out, late });
    });
  });
}
