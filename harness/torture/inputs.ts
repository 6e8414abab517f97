/** What comes from outside, changed: each is read right or refused by an error of ours, in little time. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { deflateRawSync, gzipSync } from 'node:zlib';
import { csv } from '../../src/csv.js';
import {
  adam,
  arrays,
  createTrainer,
  type Dataset,
  DownhillError,
  decodeSafetensors,
  encodeNpy,
  encodeSafetensors,
  idx,
  mlp,
  npy,
  readModel,
  type Trainer,
} from '../../src/index.js';
import { requestDevice } from '../../src/node/index.js';
import { memoryLog, parseSpace, search } from '../../src/search/index.js';
import { findGpu } from '../common/quiet.js';
import { within } from '../common/waiting.js';
import { readTrial } from '../search/trial.js';
import { checkSweep } from '../sweep/spec.js';
import { readRun } from '../train/checkpoints.js';
import { withConfigFile } from '../train/config-file.js';
import { parseTrain } from '../train/options.js';
import type { Campaign } from './campaign.js';
import { below, mutateBytes, mutateJson, pick, type Random } from './mutate.js';

/** A kind of input: a changed one of it, and what reads it. */
interface Kind {
  readonly name: string;
  /** @returns what is read, to be called: made first, so that the time is the reader's alone */
  make(random: Random): (signal: AbortSignal) => unknown;
}

/** Of a processor, not by a clock: a busy machine is slow, too. Inputs have some kilobytes. */
const MOST_MS = 1000;
/** By a clock: for what waits, or gives way, for ever. What does neither is ended by watchdog.mjs. */
const END_MS = 60_000;

const u32 = (n: number) => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];
const encode = (text: string) => new TextEncoder().encode(text);

const IMAGES = Uint8Array.from([0, 0, 8, 3, ...[12, 4, 5].flatMap(u32), ...Array.from({ length: 240 }, (_, i) => i)]);
const LABELS = Uint8Array.from([0, 0, 8, 1, ...u32(12), ...Array.from({ length: 12 }, (_, i) => i % 10)]);
const FLOATS = Float32Array.from({ length: 24 }, (_, i) => Math.sin(i));
const TABLES = [
  'a,b,y\n1,2,3\n4,5,6\n7,8,9.5\n',
  'a;b;y\n1,5;x;ja\n2,5;"y ""z""";nein\n;x;ja\n',
  'name\tsize\tclass\r\nx\t1\tA\r\ny\t2\tB\r\nNA\t3\tA\r\n',
  `x,y\n${Array.from({ length: 60 }, (_, i) => `${i},${i % 3}`).join('\n')}\n`,
].map(encode);
const ARRAYS = [
  encodeNpy(FLOATS, [12, 2]),
  encodeNpy(
    new Uint8Array(12).map((_, i) => i % 3),
    [12],
  ),
  encodeNpy(new Uint8Array(48), [12, 2, 2]),
];

/** Members of a zip archive, stored or deflated, as np.savez writes them. */
function zip(members: Readonly<Record<string, Uint8Array>>, deflated: boolean, crcOf: (bytes: Uint8Array) => number) {
  const [parts, directory]: [Uint8Array[], Uint8Array[]] = [[], []];
  let at = 0;
  for (const [name, bytes] of Object.entries(members)) {
    const content = deflated ? deflateRawSync(bytes) : bytes;
    const text = encode(name);
    const fields = (view: DataView, first: number) => {
      view.setUint16(first, deflated ? 8 : 0, true);
      view.setUint32(first + 6, crcOf(bytes), true);
      view.setUint32(first + 10, content.length, true);
      view.setUint32(first + 14, bytes.length, true);
      view.setUint16(first + 18, text.length, true);
    };
    const local = new DataView(new ArrayBuffer(30));
    local.setUint32(0, 0x04034b50, true);
    fields(local, 8);
    const central = new DataView(new ArrayBuffer(46));
    central.setUint32(0, 0x02014b50, true);
    fields(central, 10);
    central.setUint32(42, at, true);
    parts.push(new Uint8Array(local.buffer), text, content);
    directory.push(new Uint8Array(central.buffer), text);
    at += 30 + text.length + content.length;
  }
  const end = new DataView(new ArrayBuffer(22));
  end.setUint32(0, 0x06054b50, true);
  end.setUint16(8, Object.keys(members).length, true);
  end.setUint16(10, Object.keys(members).length, true);
  end.setUint32(12, Buffer.concat(directory).length, true);
  end.setUint32(16, at, true);
  return new Uint8Array(Buffer.concat([...parts, ...directory, new Uint8Array(end.buffer)]));
}

/** What was accepted must be what it says. */
function checkData({ samples, features, x, targets }: Dataset): void {
  if (samples < 1 || x.length !== samples * features)
    throw new Error(`A data set of ${samples} x ${features} has ${x.length} values.`);
  if (targets.kind === 'classes' && targets.labels.some((label) => label >= targets.classes))
    throw new Error(`A label is beyond ${targets.classes} classes.`);
}

const crcOfZip = (bytes: Uint8Array): number => {
  // gzip ends with the same checksum: there is none in Node 20 by itself.
  const packed = gzipSync(bytes);
  return packed.readUInt32LE(packed.length - 8);
};

function dataKinds(): Kind[] {
  const bytesOf = (files: readonly Uint8Array[]) => (random: Random) => mutateBytes(random, pick(random, files), files);
  const archives = [false, true].map((deflated) =>
    zip({ 'x.npy': ARRAYS[0]!, 'y.npy': ARRAYS[1]! }, deflated, crcOfZip),
  );
  const packed = [IMAGES, LABELS, ...TABLES, ...ARRAYS].map((bytes) => new Uint8Array(gzipSync(bytes)));
  const [changedIdx, changedTable] = [bytesOf([IMAGES, LABELS]), bytesOf(TABLES)];
  const [changedArray, changedZip, changedGzip] = [bytesOf(ARRAYS), bytesOf(archives), bytesOf(packed)];
  return [
    {
      name: 'IDX',
      make(random) {
        const [file, which] = [changedIdx(random), random() < 0.5];
        return async () =>
          checkData(await idx(which ? { images: file, labels: LABELS } : { images: IMAGES, labels: file }));
      },
    },
    {
      name: 'CSV',
      make(random) {
        const [file, target, missing] = [
          changedTable(random),
          pick(random, [-1, 0, 'y']),
          pick(random, ['refuse', 'mean', 'category'] as const),
        ];
        return async () => checkData(await csv(file, { target, missing, decimal: pick(random, ['.', ',']) }));
      },
    },
    {
      name: 'npy',
      make(random) {
        const [file, which] = [changedArray(random), random() < 0.5];
        return async () => checkData(await npy(which ? { x: file, y: ARRAYS[1]! } : { x: ARRAYS[0]!, y: file }));
      },
    },
    {
      name: 'npz',
      make(random) {
        const archive = changedZip(random);
        return async () => checkData(await npy({ archive }));
      },
    },
    {
      name: 'gzip',
      make(random) {
        const file = changedGzip(random);
        const read = below(random, 3);
        if (read === 0) return async () => checkData(await idx({ images: file, labels: LABELS }));
        if (read === 1) return async () => checkData(await csv(file, { target: -1 }));
        return async () => checkData(await npy({ x: file, y: ARRAYS[1]! }));
      },
    },
  ];
}

/** @param trainer whose checkpoints are changed, and which is to go on with them */
async function checkpointKinds(trainer: Trainer): Promise<Kind[]> {
  const [before, after] = [await trainer.checkpoint(), await stepped(trainer)];
  const files = [before, after];
  return [
    {
      name: 'safetensors',
      make(random) {
        const file = mutateBytes(random, pick(random, files), files);
        return random() < 0.5 ? () => decodeSafetensors(file) : () => readModel(file);
      },
    },
    {
      name: 'checkpoint of other words',
      // With a right checksum: what is changed is what the file says.
      make(random) {
        const file = reworded(random, pick(random, files));
        if (random() < 0.7) return () => readModel(file);
        return async () => {
          try {
            await trainer.restore(file);
          } catch (error) {
            await trainer.restore(after); // still whole
            throw error;
          }
        };
      },
    },
  ];
}

async function stepped(trainer: Trainer): Promise<Uint8Array> {
  for await (const _ of trainer.run({ steps: 3 }));
  return trainer.checkpoint();
}

function reworded(random: Random, file: Uint8Array): Uint8Array {
  const { tensors, metadata } = decodeSafetensors(file);
  const kept = new Map(tensors);
  const texts: Record<string, string> = {};
  for (const [key, text] of metadata)
    if (text.startsWith('{')) texts[key] = random() < 0.6 ? mutateJson(random, text) : text;
  if (random() < 0.3) kept.delete(pick(random, [...kept.keys()]));
  return encodeSafetensors(kept, texts);
}

/** Files of the command line, in a folder: what reads them reads paths. */
function textKinds(folder: string): Kind[] {
  const command = parseTrain([
    '--data',
    'spirals',
    '--optimizer',
    'adamw',
    '--schedule',
    'cosine',
    '--validation',
    '0.2',
  ]);
  if (command === 'help') throw new Error('unreachable');
  const { config } = command;
  const run = JSON.stringify({ config, steps: 100, changes: [], result: { step: 100 } });
  const trial = JSON.stringify({
    ...{
      format: 'downhill-trial/1',
      trial: 3,
      seeds: [0, 1],
      metric: 'loss',
      to: 8,
      params: { lr: 0.05, momentum: 0.9 },
    },
    train: { model: '2-8-2', data: 'spirals', optimizer: 'sgd', steps: '16' },
  });
  const sweep = JSON.stringify({
    format: 'downhill-sweep/1',
    ...{ name: 'a', parallel: 2, steps: 16 },
    search: {
      ...{ format: 'downhill-search/1', trials: 4, seeds: [0], seed: 0, metric: 'loss' },
      ...{ train: { data: 'spirals', steps: '16' }, space: { lr: { kind: 'log-uniform', low: 1e-4, high: 1 } } },
      method: { name: 'random', options: {} },
    },
  });
  const space = JSON.stringify({
    lr: { kind: 'log-uniform', low: 1e-5, high: 1 },
    batch: { kind: 'choice', values: [16, 64] },
  });
  const file = join(folder, 'input.json');
  mkdirSync(join(folder, 'run'), { recursive: true });
  const kept = join(folder, 'run/config.json');
  const written = (path: string, text: string, read: () => unknown) => {
    writeFileSync(path, text);
    return read;
  };
  return [
    {
      name: 'run.json',
      make: (random) =>
        written(file, mutateJson(random, run), () => parseTrain(withConfigFile(['--config', file]).args)),
    },
    {
      name: 'config.json of a run',
      make: (random) => written(kept, mutateJson(random, run), () => readRun(join(folder, 'run'))),
    },
    { name: 'trial.json', make: (random) => written(file, mutateJson(random, trial), () => readTrial(file)) },
    {
      name: 'sweep.json',
      make(random) {
        const text = mutateJson(random, sweep);
        return () => {
          let read: unknown;
          try {
            read = JSON.parse(text);
          } catch {
            return; // the folder's own check
          }
          checkSweep(read);
        };
      },
    },
    {
      name: 'a search space',
      make(random) {
        const text =
          random() < 0.5
            ? mutateJson(random, space)
            : reshuffled(random, 'lr=log:1e-5..1,momentum=0..0.99/4,batch=16|64|256');
        return () => parseSpace(text);
      },
    },
  ];
}

const reshuffled = (random: Random, text: string): string =>
  new TextDecoder().decode(mutateBytes(random, encode(text), [encode(text)]));

const SEARCH = { space: { lr: { kind: 'log-uniform', low: 1e-4, high: 1 } }, budget: { trials: 6, steps: 4 } } as const;

async function journalKind(): Promise<Kind> {
  const objective = ({ params }: { readonly params: { readonly lr: number } }) => ({ value: params.lr });
  const journals: string[] = [];
  for (const method of ['random', 'halving'] as const) {
    const log = memoryLog();
    await search('cpu', { ...SEARCH, method, objective, log });
    journals.push(log.text);
  }
  return {
    name: 'a search journal',
    make(random) {
      const which = below(random, 2);
      const lines = journals[which]!.trimEnd().split('\n');
      const at = below(random, lines.length);
      lines[at] = mutateJson(random, lines[at]!);
      if (random() < 0.3) lines.splice(below(random, lines.length), 1);
      const log = memoryLog(
        `${lines.slice(0, 1 + below(random, lines.length)).join('\n')}${random() < 0.8 ? '\n' : ''}`,
      );
      const method = (['random', 'halving'] as const)[which]!;
      return (signal) => search('cpu', { ...SEARCH, method, objective, log, signal });
    },
  };
}

/** What a reader throws at once, too, is what its promise is rejected with. */
const reading = async (read: (signal: AbortSignal) => unknown, signal: AbortSignal) => read(signal);

/** Cases between two turns of everything else: a few milliseconds. */
const TURN = 8;

/** The kinds of data come so often to one of the others. */
const DATA_TURNS = 4;

export const inputs: Campaign = {
  name: 'inputs',
  attacks: 'changes data, archives, checkpoints, configurations and journals, and reads them',
  unit: 'inputs',
  // 20 of 28 are data: 200,000 of a full round.
  sizes: { short: 6_000, full: 280_000 },
  async run({ cases, fail, figure, folder, signal }) {
    await findGpu();
    const device = await requestDevice({ label: 'downhill:inputs' });
    const data = arrays({ x: FLOATS, y: LABELS.slice(8).map((label) => label % 2), features: 2, classes: 2 });
    const model = mlp({ sizes: [2, 4, 2], activation: 'relu', norm: 'batch', loss: 'softmax-cross-entropy' });
    const trainer = await createTrainer(device, { model, rule: adam(), data, batchSize: 4 });
    const often = dataKinds();
    const others = [...(await checkpointKinds(trainer)), ...textKinds(folder), await journalKind()];
    const kinds = [...Array.from({ length: DATA_TURNS }, () => often).flat(), ...others];
    const counts = new Map(kinds.map(({ name }) => [name, { tried: 0, refused: 0, longest: 0 }]));
    for (const { index, random } of cases()) {
      if (index % TURN === 0) await setImmediate(); // else its time's end and Ctrl+C are not heard
      const { name, make } = kinds[index % kinds.length]!;
      const count = counts.get(name)!;
      const read = make(random);
      const start = process.cpuUsage();
      const stop = new AbortController();
      count.tried++;
      try {
        const both = AbortSignal.any([stop.signal, signal]);
        await within(END_MS, reading(read, both), () => new Error(`It did not end within ${END_MS / 1000} s.`));
      } catch (error) {
        if (signal.aborted) break; // what it did not come to the end of is no failure
        count.refused++;
        const typed = error instanceof DownhillError && error.code !== 'INTERNAL';
        if (!typed)
          fail(`${name}: ${error instanceof Error ? error.stack?.split('\n').slice(0, 6).join('\n') : error}`);
      }
      stop.abort();
      const { user, system } = process.cpuUsage(start);
      const ms = (user + system) / 1000;
      count.longest = Math.max(count.longest, ms);
      if (ms > MOST_MS) fail(`${name}: it took ${ms.toFixed(0)} ms.`);
    }
    for (const [name, { tried, refused, longest }] of counts)
      figure(name, `${refused} of ${tried} refused, ${longest.toFixed(0)} ms at most`);
    trainer.destroy();
    device.destroy();
  },
};
