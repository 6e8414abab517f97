/** `downhill landscape`: the ways of optimizers down an analytic function, as a picture and a table. */
import { DownhillError, describeAdapter } from '../../src/index.js';
import { requestDevice } from '../../src/node/index.js';
import { type Curvatures, curvaturesOf, type Problem, problems, resolveProblem } from '../../src/trajectory/index.js';
import { plural } from '../common/format.js';
import { type Io, type Paint, painter } from '../common/io.js';
import { outFile } from '../common/out-folder.js';
import { defaultFolder } from '../common/output.js';
import { findGpu } from '../common/quiet.js';
import { digits } from '../common/svg.js';
import { type Column, labelled, textTable } from '../common/table.js';
import { landscapeSvg } from './chart.js';
import { type LandscapeCommand, landscapeHelp, parseLandscape } from './options.js';
import { type Way, waysOf } from './ways.js';

/** Characters of a line where there is no terminal. */
const COLUMNS = 100;

/**
 * @returns the exit code
 * @throws DownhillError for whatever is wrong
 */
export async function landscape(args: readonly string[], io: Io): Promise<number> {
  const command = parseLandscape(args);
  if (command === 'help' || command === 'list') {
    io.stdout.write(command === 'help' ? landscapeHelp() : list(io));
    return 0;
  }
  const file = command.out ?? `${defaultFolder(command.problem.row.name)}.svg`;
  const write = outFile(file, command.force);
  const pixels = /\.png$/i.test(file) ? await findPixels() : undefined;
  const { ways, place } = await walk(command);
  const svg = draw(command, ways, place);
  write(pixels ? await pixels(svg) : svg);
  report(file, command, ways, place, io);
  return 0;
}

async function walk(command: LandscapeCommand): Promise<{ ways: Way[]; place: string }> {
  if (command.in === 'cpu') return { ways: await waysOf(command, 'cpu'), place: 'float64, on the CPU' };
  await findGpu();
  const device = await requestDevice({ label: 'downhill:landscape' });
  try {
    return { ways: await waysOf(command, device), place: describeAdapter(device).name };
  } finally {
    device.destroy();
  }
}

function draw(command: LandscapeCommand, ways: readonly Way[], place: string): string {
  const { problem, steps, tolerance } = command;
  const rates = command.rates ? '' : ', each at its best rate of a grid';
  const title = `${problem.row.title[0]!.toUpperCase()}${problem.row.title.slice(1)}: ${problem.row.formula[0]}`;
  const subtitle = `${plural(steps, 'step')} from (${command.start.map(digits).join(', ')})${rates}; ${place}`;
  return landscapeSvg({ ...{ title, subtitle, problem, ways, tolerance } });
}

/** What makes pixels of a picture. @throws DownhillError OUTPUT-UNWRITABLE where it is not installed */
async function findPixels(): Promise<(svg: string) => Promise<Uint8Array>> {
  const { canDraw, svgPng } = await import('../common/png.js').catch(
    (): { canDraw?: undefined; svgPng?: undefined } => ({}),
  );
  if (canDraw?.()) return svgPng;
  throw new DownhillError(
    'OUTPUT-UNWRITABLE',
    'What draws PNG files is not installed.',
    'Name a file that ends in .svg, or npm install @resvg/resvg-wasm dejavu-fonts-ttf.',
  );
}

const steps = (n: number | undefined) => (n === undefined ? 'never' : String(n));
const pointText = (x: ArrayLike<number>) => `(${Array.from(x, (each) => digits(each)).join(', ')})`;

const columns = (problem: Problem): Column<Way>[] => [
  { title: 'optimizer', align: 'left', text: ({ name }) => name },
  { title: 'lr', text: ({ lr }) => (lr === undefined ? '' : digits(lr)) },
  { title: 'final f', text: ({ final }) => digits(final.value) },
  ...(problem.minima.length > 0
    ? [
        { title: 'first below', text: ({ first }: Way) => steps(first) },
        { title: 'stays below', text: ({ stays }: Way) => steps(stays) },
      ]
    : [{ title: '|y| > 1 after', text: ({ left }: Way) => steps(left) }]),
  { title: 'ends at', align: 'left', text: ({ final }) => pointText(final.x), drop: 1 },
];

/** What the Hessian says at the lowest minimum, or at the saddle. */
function curvatureText({ eigenvalues, condition, stableBelow }: Curvatures): string {
  const [largest, smallest] = eigenvalues;
  const of = `eigenvalues ${digits(smallest!)} and ${digits(largest!)}`;
  const number = condition === undefined ? 'a saddle' : `condition number ${digits(condition)}`;
  return `${number} (${of}); gradient descent is stable below lr ${digits(stableBelow)}`;
}

/** Says it all on stdout: as text, or as one JSON object. */
function report(file: string, command: LandscapeCommand, ways: readonly Way[], place: string, io: Io): void {
  const { problem, tolerance } = command;
  const { row, minima, saddles } = problem;
  const curvatures = curvaturesOf(problem);
  if (command.json) {
    const rows = ways.map(({ name, lr, final, first, stays, left }) => ({ name, lr, final, first, stays, left }));
    const all = { problem: row.name, place, start: command.start, steps: command.steps, tolerance, minima, saddles };
    io.stdout.write(`${JSON.stringify({ ...all, ...curvatures, optimizers: rows, file })}\n`);
    return;
  }
  const paint = painter(io.stdout);
  const room = io.stdout.columns ?? COLUMNS;
  const lines = [
    '',
    ...row.formula.map((line, i) => `  ${i === 0 ? paint('bold', line) : line}`),
    `  ${paint('gray', `${plural(command.steps, 'step')} from ${pointText(command.start)}; ${place}`)}`,
    '',
    ...labelled(minima.length > 0 ? 'at the minimum' : 'at the saddle ', curvatureText(curvatures), { paint, room }),
    '',
    ...textTable(columns(problem), ways, { paint, room }),
    '',
    ...(minima.length > 0
      ? labelled('below  ', `f less than ${digits(tolerance)} above the lowest minimum`, { paint, room })
      : []),
    `  ${paint('cyan', 'picture')}  ${file}`,
    '',
  ];
  io.stdout.write(`${lines.join('\n')}\n`);
}

/** The problems there are. */
function list(io: Io): string {
  const paint: Paint = painter(io.stdout);
  const all = Object.keys(problems).map((name) => resolveProblem(problems, name));
  const listed: Column<Problem>[] = [
    { title: 'problem', align: 'left', text: ({ row }) => row.name },
    {
      title: 'dimensions',
      text: ({ row, n }) => ('n' in row.fields ? 'n' : 'spectrum' in row.fields ? 'any' : String(n)),
    },
    { title: 'function', align: 'left', text: ({ row }) => row.formula[0]!, least: 40 },
  ];
  const room = io.stdout.columns ?? COLUMNS;
  return `\n${textTable(listed, all, { paint, room }).join('\n')}\n\n  Pictures are of two dimensions: n is 2 there.\n\n`;
}
