/** `downhill loss-plane`: the loss round a network's weights, as pictures. */
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createTrainer, DownhillError, describeAdapter, type Trainer } from '../../src/index.js';
import {
  type Landscape,
  type LandscapeOptions,
  landscape,
  type NamedWeights,
  type PlaneKind,
  recordPath,
  type WeightPath,
} from '../../src/landscape/index.js';
import { readPlainFile, requestDevice } from '../../src/node/index.js';
import { plural } from '../common/format.js';
import { interruptible, LEAVING } from '../common/interrupt.js';
import { type Io, painter } from '../common/io.js';
import { OutFolder } from '../common/out-folder.js';
import { defaultFolder } from '../common/output.js';
import { Progress } from '../common/progress.js';
import { findGpu } from '../common/quiet.js';
import { dataOf } from '../train/command.js';
import type { JobData } from '../train/data.js';
import { trainerOptions } from '../train/job.js';
import { CHECKPOINTS, MODEL } from '../train/run-folder.js';
import { runSteps, scheduleOf } from '../train/schedule.js';
import { planeSvg } from './chart.js';
import { type PlaneCommand, parsePlane, planeHelp } from './options.js';

const NAMES: Readonly<Record<PlaneKind, string>> = {
  random: 'random plane',
  pca: 'plane of the path',
  line: 'line from the start',
};

/**
 * @returns the exit code
 * @throws DownhillError for whatever is wrong
 */
export async function lossPlane(args: readonly string[], io: Io): Promise<number> {
  const command = parsePlane(args);
  if (command === 'help') {
    io.stdout.write(planeHelp());
    return 0;
  }
  return interruptible(io, LEAVING, async (signal) => {
    const { config, data } = await dataOf(command, io, signal);
    const files = command.planes.flatMap((plane) => [`${plane}.svg`, `${plane}.json`]);
    const out = { what: 'a loss plane', files, force: command.force };
    const folder = new OutFolder(command.out ?? defaultFolder('loss-plane'), out);
    const whole = { ...command, config };
    const progress = new Progress(io.stderr);
    try {
      const drawn = await drawAll(whole, data, progress, signal);
      const files = write(folder, whole, drawn);
      progress.clear();
      report(whole, drawn, files, io);
    } finally {
      progress.clear();
      folder.close();
    }
    return 0;
  });
}

interface Drawn {
  readonly landscape: Landscape;
  readonly seconds: number;
}

async function drawAll(command: PlaneCommand, data: JobData, progress: Progress, signal: AbortSignal) {
  const files = command.run === undefined ? undefined : runFiles(command.run, command.planes);
  await findGpu();
  const device = await requestDevice({ label: 'downhill:loss-plane' });
  const steps = runSteps(command.config, data.train.samples);
  const options = trainerOptions(command.config, data, scheduleOf(command.config, steps));
  const trainer = await createTrainer(device, options);
  try {
    const path = files ? await readPath(trainer, files) : await trainNow(trainer, command, steps, progress, signal);
    const made: Drawn[] = [];
    for (const plane of command.planes) {
      const start = performance.now();
      const onProgress = (done: number, total: number) =>
        progress.draw([NAMES[plane], `${done} of ${plural(total, 'point')}`], done / total);
      const drawn = await landscape(trainer, { ...planeOptions(command, plane, path), signal, onProgress });
      made.push({ landscape: drawn, seconds: (performance.now() - start) / 1000 });
    }
    const bends = command.planes.some((plane) => plane !== 'line') ? await bendOf(trainer, command, signal) : undefined;
    return { adapter: describeAdapter(device), made, bends };
  } finally {
    trainer.destroy();
    device.destroy();
  }
}

/** The least and the largest eigenvalue of the Hessian: what a slice does not show. */
type Bend = readonly [least: number, largest: number];

/** Undefined for networks whose layers have no products with the Hessian. */
async function bendOf(trainer: Trainer, { samples }: PlaneCommand, signal: AbortSignal): Promise<Bend | undefined> {
  signal.throwIfAborted();
  try {
    const { smallest, largest } = await trainer.curvature({
      eigenvalues: 1,
      ...(samples !== undefined && { samples }),
    });
    return [smallest[0]!.value, largest[0]!.value];
  } catch (error) {
    if (error instanceof DownhillError && ['OPTION-RANGE', 'GRADIENT-NONFINITE'].includes(error.code)) return undefined;
    throw error;
  }
}

const bendText = ([least, largest]: Bend) =>
  `eigenvalues of the Hessian at the weights: ${least.toPrecision(3)} to ${largest.toPrecision(3)}`;

function planeOptions(command: PlaneCommand, plane: PlaneKind, path: LandscapeOptions['path']): LandscapeOptions {
  const { grid, range, samples, directions } = command;
  return {
    plane,
    ...(grid !== undefined && plane !== 'line' && { grid }),
    ...(range !== undefined && plane === 'random' && { range }),
    ...(samples !== undefined && { samples }),
    ...(plane === 'random' ? { seed: directions } : { path: path! }),
  };
}

/** Trains, and keeps the path. */
async function trainNow(
  trainer: Trainer,
  { every, config }: PlaneCommand,
  steps: number,
  progress: Progress,
  signal: AbortSignal,
): Promise<WeightPath> {
  // Of a short training no fewer than some twenty snapshots.
  const path = await recordPath(trainer, { every: every ?? Math.max(1, Math.min(10, Math.floor(steps / 20))) });
  for await (const { step, loss } of path.run({ steps, signal }))
    progress.draw([config.optimizer.name, `step ${step} of ${steps}`, `loss ${loss.toPrecision(3)}`], step / steps);
  return path;
}

/** What a run left: its checkpoints in order, where the planes need them, and its network. */
function runFiles(folder: string, planes: readonly PlaneKind[]) {
  const model = join(resolve(folder), MODEL);
  const kept = join(resolve(folder), CHECKPOINTS);
  if (!existsSync(model)) {
    throw new DownhillError(
      'DATA-NOT-FOUND',
      `The run in ${folder} has no ${MODEL}.`,
      'Let it end: npx downhill train --resume.',
    );
  }
  const names = existsSync(kept) ? readdirSync(kept).filter((name) => /^step-\d+\.safetensors$/.test(name)) : [];
  const checkpoints = names.sort().map((name) => join(kept, name));
  const needed = planes.includes('pca') ? 3 : planes.includes('line') ? 1 : 0;
  if (checkpoints.length >= needed) return { model, checkpoints: needed > 0 ? checkpoints : [] };
  throw new DownhillError(
    'OPTION-RANGE',
    `The run in ${folder} has ${plural(checkpoints.length, 'checkpoint')}; ${planes.includes('pca') ? 'the plane of a path' : 'a line'} needs ${needed}.`,
    'Train with --save-every 50 --keep 100, or draw --planes random.',
  );
}

/** The weights of the checkpoints; the trainer then has those of the network. */
async function readPath(
  trainer: Trainer,
  { model, checkpoints }: ReturnType<typeof runFiles>,
): Promise<NamedWeights[]> {
  const path: NamedWeights[] = [];
  for (const file of checkpoints) {
    await trainer.importWeights(await weightsOf(file));
    path.push(await trainer.readParameters());
  }
  await trainer.importWeights(await weightsOf(model));
  return path;
}

async function weightsOf(file: string): Promise<Uint8Array> {
  try {
    return await readPlainFile(file);
  } catch (cause) {
    const message = `The weights ${file} cannot be read: ${(cause as Error).message}.`;
    throw new DownhillError('DATA-NOT-FOUND', message, 'Name a run whose files are there and may be read.', cause);
  }
}

/** What was trained, in words. */
const trained = ({ config, run }: PlaneCommand, { step }: Landscape): string =>
  run === undefined ? `after ${plural(step, 'step')} of ${config.optimizer.name}` : `of the run in ${run}`;

type All = Awaited<ReturnType<typeof drawAll>>;

/** @returns the files of each plane, as they are shown */
function write(folder: OutFolder, command: PlaneCommand, { adapter, made, bends }: All) {
  const { sizes } = command.config.model;
  const files: Record<string, string> = {};
  for (const { landscape } of made) {
    const { plane, data, ...numbers } = landscape;
    const title = `Loss round ${sizes.join('-')}: ${NAMES[plane]}`;
    const subtitle = [
      `${trained(command, landscape)}; mean over ${plural(data.samples, 'sample')}`,
      ...(bends && plane !== 'line' ? [bendText(bends)] : []),
      adapter.name,
    ];
    const all = { plane, adapter, samples: data.samples, ...numbers, eigenvalues: bends };
    files[`${plane}.svg`] = planeSvg({ title, subtitle, landscape });
    files[`${plane}.json`] = `${JSON.stringify(all, plainArrays)}\n`;
  }
  folder.write(files);
  return made.map(({ landscape: { plane } }) => ({
    svg: folder.shown(`${plane}.svg`),
    json: folder.shown(`${plane}.json`),
  }));
}

/** Typed arrays as lists; what is no number as null. */
const plainArrays = (_: string, value: unknown) => (ArrayBuffer.isView(value) ? [...(value as Float32Array)] : value);

/** Says it on stdout: as text, or as one JSON object without the grids. */
function report(command: PlaneCommand, { adapter, made, bends }: All, files: ReturnType<typeof write>, io: Io): void {
  if (command.json) {
    const planes = made.map(({ landscape: { data, loss, accuracy, x, y, path, ...rest }, seconds }, i) => ({
      ...rest,
      ...{ samples: data.samples, points: loss.length, seconds, files: files[i] },
    }));
    io.stdout.write(`${JSON.stringify({ adapter, planes, eigenvalues: bends })}\n`);
    return;
  }
  const paint = painter(io.stdout);
  const lines = made.flatMap(({ landscape, seconds }, i) => {
    const { loss, centre, share, members, passes, plane } = landscape;
    const right = centre.accuracy === undefined ? '' : `, accuracy ${(100 * centre.accuracy).toFixed(1)} %`;
    const of = share ? `, ${(100 * (share[0] + share[1])).toFixed(1)} % of the path's squared distance` : '';
    return [
      `  ${paint('bold', NAMES[plane])}  ${plural(loss.length, 'point')}, ${members} at a time in ${plural(passes, 'pass', 'passes')}, ${seconds.toFixed(1)} s`,
      `  ${paint('gray', `loss ${centre.loss.toPrecision(4)}${right} at the weights${of}`)}`,
      `  ${paint('cyan', 'picture')}  ${files[i]!.svg}`,
      `  ${paint('cyan', 'numbers')}  ${files[i]!.json}`,
      '',
    ];
  });
  const { sizes } = command.config.model;
  const head = `  ${paint('bold', sizes.join('-'))}  ${trained(command, made[0]!.landscape)}`;
  const about = [adapter.name, ...(bends ? [bendText(bends)] : [])].map((line) => `  ${paint('gray', line)}`);
  io.stdout.write(`${['', head, ...about, '', ...lines].join('\n')}\n`);
}
