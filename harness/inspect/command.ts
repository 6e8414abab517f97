/** `downhill inspect`: what initialisations make of a network's activations, as a table and a picture. */
import { describeAdapter, inspect as inspectModel } from '../../src/index.js';
import { requestDevice } from '../../src/node/index.js';
import { count, plural } from '../common/format.js';
import { interruptible, LEAVING } from '../common/interrupt.js';
import { type Io, painter } from '../common/io.js';
import { OutFolder } from '../common/out-folder.js';
import { defaultFolder } from '../common/output.js';
import { findGpu } from '../common/quiet.js';
import { dataOf } from '../train/command.js';
import { startsSvg } from './chart.js';
import { curvatureLines } from './curvature-lines.js';
import { type Inspected, inspectLines } from './lines.js';
import { type InspectCommand, inspectHelp, modelOf, parseInspect } from './options.js';

const [SVG, JSON_FILE] = ['activations.svg', 'activations.json'];
/** Characters of a line where there is no terminal. */
const COLUMNS = 100;

/**
 * @returns the exit code
 * @throws DownhillError for whatever is wrong
 */
export async function inspect(args: readonly string[], io: Io): Promise<number> {
  const command = parseInspect(args);
  if (command === 'help') {
    io.stdout.write(inspectHelp());
    return 0;
  }
  return interruptible(io, LEAVING, async (signal) => {
    const { config, data } = await dataOf(command, io, signal);
    const out = { what: 'an inspection', files: [SVG, JSON_FILE], force: command.force };
    const folder = new OutFolder(command.out ?? defaultFolder('inspect'), out);
    const whole = { ...command, config };
    try {
      const { adapter, inspected } = await inspectAll(whole, data.train, signal);
      write(folder, whole, adapter, inspected);
      const files = { svg: folder.shown(SVG), json: folder.shown(JSON_FILE) };
      report(files, whole, adapter, inspected, io);
      return 0;
    } finally {
      folder.close();
    }
  });
}

type Adapter = ReturnType<typeof describeAdapter>;

async function inspectAll(
  { config, starts, batchSize, curvature }: InspectCommand,
  data: Parameters<typeof inspectModel>[1]['data'],
  signal: AbortSignal,
): Promise<{ adapter: Adapter; inspected: Inspected[] }> {
  await findGpu();
  const device = await requestDevice({ label: 'downhill:inspect' });
  try {
    const inspected: Inspected[] = [];
    const { seed } = config;
    for (const start of starts) {
      signal.throwIfAborted();
      const options = {
        model: modelOf(config, start),
        data,
        seed,
        curvature,
        ...(batchSize !== undefined && { batchSize }),
      };
      inspected.push({ start, ...(await inspectModel(device, options)) });
    }
    return { adapter: describeAdapter(device), inspected };
  } finally {
    device.destroy();
  }
}

/** What was shown, in words. */
const shown = ({ config }: InspectCommand, { samples }: Inspected): string =>
  `${plural(samples, 'sample')} of ${config.data.kind === 'named' ? config.data.name : config.data.kind}, seed ${config.seed}`;

function write(folder: OutFolder, command: InspectCommand, adapter: Adapter, inspected: readonly Inspected[]): void {
  const { data, scale, model: first, seed } = command.config;
  const { activation: _, init: __, ...model } = first; // those of each start
  const { sizes, norm, dropout } = model;
  const between = [norm && `${norm} norm`, dropout && `dropout ${dropout}`].filter(Boolean);
  const network = [sizes.join('-'), ...(between.length > 0 ? [`with ${between.join(' and ')}`] : [])].join(' ');
  const title = `Activations of ${network} before any training`;
  const subtitle = `${shown(command, inspected[0]!)}, on ${adapter.name}\nOf each layer how its outputs are spread; a bar at 0 that would hide the others is cut off.`;
  const all = { data, scale, model, seed, adapter, inspections: inspected };
  folder.write({
    [SVG]: startsSvg({ title, subtitle, inspected }),
    [JSON_FILE]: `${JSON.stringify(all, null, 2)}\n`,
  });
}

/** Says it all on stdout: as text, or as one JSON object without histograms. */
export function report(
  files: { readonly svg: string; readonly json: string },
  command: InspectCommand,
  adapter: Adapter,
  inspected: readonly Inspected[],
  io: Io,
): void {
  if (command.json) {
    const inspections = inspected.map(({ start, verdict, loss, layers, curvature }) => ({
      ...start,
      ...{ verdict, loss, curvature },
      layers: layers.map(({ output: { histogram: _, ...output }, ...layer }) => ({ ...layer, output })),
    }));
    io.stdout.write(`${JSON.stringify({ adapter, inspections, files })}\n`);
    return;
  }
  const paint = painter(io.stdout);
  const { sizes } = command.config.model;
  const parameters = sizes.slice(1).reduce((sum, width, i) => sum + width * (sizes[i]! + 1), 0);
  const lines = [
    '',
    `  ${paint('bold', sizes.join('-'))}  ${count(parameters)} parameters, ${shown(command, inspected[0]!)}`,
    `  ${paint('gray', adapter.name)}`,
    '',
    ...inspectLines(inspected, paint, io.stdout.columns ?? COLUMNS),
    ...curvatureLines(inspected, paint, io.stdout.columns ?? COLUMNS),
    '',
    `  ${paint('cyan', 'picture')}  ${files.svg}`,
    `  ${paint('cyan', 'numbers')}  ${files.json}`,
    '',
  ];
  io.stdout.write(`${lines.join('\n')}\n`);
}
