/** `downhill train`, killed at any moment of its life, and gone on with: nothing may be lost, and nothing may stay. */
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { folderStore } from '../../src/node/index.js';
import type { Campaign, Context } from './campaign.js';
import { downhill, type Ended } from './process.js';

/** Runs that are killed: small, with all that a run writes; long enough that most kills come while it trains and saves. */
const RUNS: Readonly<Record<string, readonly string[]>> = {
  adam: ['--model', '2-16-16-2', '--data', 'spirals', '--steps', '900', '--save-every', '20', '--validation', '0.2'],
  lamb: [...'--model 2-24-2 --data moons --optimizer lamb --steps 1200 --save-every 7 --keep 2 --batch 32'.split(' ')],
  norm: [...'--model 2-12-12-2 --data xor --norm batch --dropout 0.2 --steps 600 --save-every 50'.split(' ')],
  chrome: ['--model', '2-16-2', '--data', 'circles', '--steps', '600', '--save-every', '25', '--in', 'chrome'],
};
/** One kill of so many is in Chrome, which takes much longer to start. */
const CHROME_EVERY = 4;
/** A run that is killed again and again gets this often before it is let end. */
const MOST_KILLS = 3;
/** The exit code of a command that has nothing to go on with. */
const REFUSED = 2;

interface Whole {
  readonly folder: string;
  readonly files: readonly string[];
  readonly seconds: number;
}

export const kills: Campaign = {
  name: 'kills',
  attacks: 'kills downhill train at random moments, in Node and in Chrome, and goes on with --resume',
  unit: 'runs',
  sizes: { short: 4, full: 108 },
  async run(context) {
    const wholes = new Map<string, Whole>();
    const inNode = Object.keys(RUNS).filter((name) => name !== 'chrome');
    let killed = 0;
    for (const { index, random } of context.cases()) {
      const name = index % CHROME_EVERY === CHROME_EVERY - 1 ? 'chrome' : inNode[index % inNode.length]!;
      const whole = wholes.get(name) ?? (await undisturbed(name, context));
      wholes.set(name, whole);
      killed += await killAndGoOn(name, whole, { ...context, random }, index);
      context.figure('kills', String(killed));
    }
  },
};

/** A short name: Chrome puts a socket below it, whose path may have 107 bytes. */
const temporary = ({ folder }: Context, name: string): string => {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  return path;
};

async function undisturbed(name: string, context: Context): Promise<Whole> {
  const folder = join(context.folder, `${name}-whole`);
  const { signal } = context;
  const args = ['train', ...RUNS[name]!, '--out', folder];
  const { code, err, seconds } = await downhill(args, temporary(context, 'w'), { signal });
  if (code !== 0) throw new Error(`The undisturbed run ${name} ended with ${code}:\n${err}`);
  return { folder, files: filesOf(folder), seconds };
}

/** @returns kills it took */
async function killAndGoOn(name: string, whole: Whole, context: Context, index: number): Promise<number> {
  const { random, signal } = context;
  const folder = join(context.folder, `run-${index}`);
  const tmp = temporary(context, `t${index}`);
  const times = 1 + Math.floor(random() * MOST_KILLS);
  let killed = 0;
  let last: Ended | undefined;
  let done = false;
  for (let i = 0; i <= times; i++) {
    const most = 1000 * whole.seconds;
    const killAfter = i < times ? random() * most : undefined;
    done = isDone(folder); // killed while it left: what goes on is told so, and tidies up
    last = await downhill(startOf(name, folder), tmp, { signal, ...(killAfter !== undefined && { killAfter }) });
    if (last.code !== null) break; // it was quicker, or nothing kills it any more
    killed++;
    for (const broken of await brokenIn(folder)) context.fail(`${name}, killed ${killed} times: ${broken}`);
  }
  const { code, err } = last!;
  if (code !== (done ? REFUSED : 0))
    context.fail(`${name}, gone on with after ${killed} kills, ended with ${code}:\n${err.trim()}`);
  else compare(name, folder, whole, killed, context);
  const left = readdirSync(tmp);
  if (left.length > 0) context.fail(`${name}: the temporary folder has ${left.join(', ')} after the next start.`);
  let processes = processesWith(tmp);
  // What was killed at the end takes a moment to be gone where all cores have work.
  for (let i = 0; i < 100 && processes.length > 0; i++) {
    await sleep(100);
    processes = processesWith(tmp);
  }
  if (processes.length > 0) context.fail(`${name}: processes are left after the next start: ${processes.join('; ')}.`);
  return killed;
}

/** How a person would go on with what is there. */
function startOf(name: string, folder: string): string[] {
  if (existsSync(join(folder, 'config.json'))) return ['train', '--resume', folder];
  // Killed before it knew what it is: it begins anew.
  return ['train', ...RUNS[name]!, '--out', folder, ...(existsSync(join(folder, 'metrics.jsonl')) ? ['--force'] : [])];
}

/** Whether a run has written what it came to, the last of all it writes. */
function isDone(folder: string): boolean {
  const config = join(folder, 'config.json');
  const text = existsSync(config) ? readFileSync(config, 'utf8') : '';
  return isJson(text) && JSON.parse(text).result !== undefined;
}

/** What of a killed run's files is not whole. */
export async function brokenIn(folder: string): Promise<string[]> {
  const broken: string[] = [];
  const metrics = join(folder, 'metrics.jsonl');
  if (existsSync(metrics)) {
    const lines = readFileSync(metrics, 'utf8').split('\n');
    const last = lines.pop();
    const torn = last === '' ? lines.find((line) => !isJson(line)) : last;
    if (torn !== undefined) broken.push(`metrics.jsonl has a torn line: '${torn.slice(0, 80)}'.`);
  }
  const config = join(folder, 'config.json');
  if (existsSync(config) && !isJson(readFileSync(config, 'utf8'))) broken.push('config.json is torn.');
  const checkpoints = join(folder, 'checkpoints');
  if (!existsSync(checkpoints)) return broken;
  const store = await folderStore(checkpoints, { readOnly: true });
  try {
    const found = await store.latest();
    for (const { problem } of found?.damaged ?? []) broken.push(`A checkpoint is damaged: ${problem.message}`);
  } catch (error) {
    broken.push(`No checkpoint loads: ${(error as Error).message}`);
  } finally {
    await store.close();
  }
  return broken;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Byte for byte what a run leaves that nobody killed; config.json tells when it was gone on with, loss.svg is drawn of all. */
function compare(name: string, folder: string, whole: Whole, killed: number, context: Context): void {
  const files = filesOf(folder);
  const after = `${name}, after ${killed} kills`;
  if (files.join() !== whole.files.join())
    context.fail(`${after}: its files are ${files.join(', ')} instead of ${whole.files.join(', ')}.`);
  for (const file of whole.files) {
    if (file === 'config.json' || !files.includes(file)) continue;
    if (!readFileSync(join(folder, file)).equals(readFileSync(join(whole.folder, file))))
      context.fail(`${after}: ${file} differs from that of the undisturbed run.`);
  }
}

const filesOf = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1))
    .sort();

/** Processes that were started with a path in their command line: browsers with their profile. */
function processesWith(path: string): string[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc').flatMap((pid) => {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      return /^\d+$/.test(pid) && line.includes(path) ? [`${pid} ${line.slice(0, 80)}`] : [];
    } catch {
      return []; // ended meanwhile
    }
  });
}
