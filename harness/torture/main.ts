/** `npm run torture`: attacks the project in the ways that campaigns.ts lists, and ends with the plain line "N passed, N failed". */
import { DownhillError, describeAdapter } from '../../src/index.js';
import { requestDevice } from '../../src/node/index.js';
import { count, duration, plural } from '../common/format.js';
import { interruptible } from '../common/interrupt.js';
import { type Io, painter, printError, processIo } from '../common/io.js';
import { outputError } from '../common/output.js';
import { Progress } from '../common/progress.js';
import { findGpu } from '../common/quiet.js';
import { type Column, indented, labelled, textTable } from '../common/table.js';
import { versionOf } from '../common/versions.js';
import { writeWhole } from '../common/whole-file.js';
import { type Attack, attack, type Failure, GRACE_MS, type Outcome } from './attack.js';
import type { Campaign } from './campaign.js';
import { CAMPAIGNS } from './campaigns.js';
import { parseTorture, type TortureCommand, tortureHelp } from './options.js';
import { type Watch, watchThread } from './watch.js';

/** Characters of a line where there is no terminal. */
const COLUMNS = 120;
const REDRAW_MS = 100;

export interface TortureReport {
  readonly downhill: string | undefined;
  readonly adapter: string;
  readonly size: string;
  readonly seed: number;
  readonly campaigns: readonly Outcome[];
  /** Campaigns that time or Ctrl+C left no room for. */
  readonly skipped: readonly string[];
}

/**
 * @param all the campaigns there are; and what names the adapter: tests have their own
 * @returns the exit code: 0, 1 where something did not hold, 2 for wrong flags, that of the signal after one
 */
export async function main(
  args: readonly string[],
  io: Io = processIo(),
  { all = CAMPAIGNS, adapter = adapterName } = {},
): Promise<number> {
  try {
    const command = parseTorture(args, all);
    if (command !== 'help') {
      const name = await adapter();
      // A campaign that is told to end is waited for: it takes its processes with it.
      return await interruptible(io, { withinMs: 2 * GRACE_MS }, (signal) => torture(command, name, signal, io));
    }
    io.stdout.write(tortureHelp(all));
    return 0;
  } catch (error) {
    printError(error, io.stderr);
    return error instanceof DownhillError && error.code.startsWith('OPTION-') ? 2 : 1;
  }
}

async function torture(command: TortureCommand, adapter: string, signal: AbortSignal, io: Io): Promise<number> {
  const { campaigns, size, seed, out } = command;
  const report = (outcomes: readonly Outcome[]): TortureReport => ({
    ...{ downhill: versionOf('downhill'), adapter, size, seed, campaigns: outcomes },
    skipped: campaigns.slice(outcomes.length).map(({ name }) => name),
  });
  const outcomes: Outcome[] = [];
  io.stdout.write(`\n  torture  ${size}, seed ${seed}\n  ${painter(io.stdout)('gray', adapter)}\n\n`);
  const end = performance.now() + 60_000 * command.minutes;
  const watch = watchThread(GRACE_MS / 1000);
  try {
    for (const [i, campaign] of campaigns.entries()) {
      const left = end - performance.now();
      if (signal.aborted || left <= 0) break;
      // What one leaves of its share, the next ones have.
      const ms = left / (campaigns.length - i);
      outcomes.push(await attacked(campaign, { ...command, ms, signal, watch }, io));
      if (out !== undefined) write(out, report(outcomes)); // so that a killed one leaves what it found
    }
  } finally {
    await watch.end();
  }
  print(report(outcomes), io);
  signal.throwIfAborted();
  return outcomes.some(({ failures }) => failures.length > 0) ? 1 : 0;
}

/** Runs one, with a line that moves while it goes on and its failures as they come. */
async function attacked(
  campaign: Campaign,
  { size, seed, only, ms, signal, watch }: TortureCommand & Pick<Attack, 'ms' | 'signal'> & { readonly watch: Watch },
  io: Io,
): Promise<Outcome> {
  const line = new Progress(io.stderr);
  const total = only === undefined ? campaign.sizes[size] : 1;
  let drawn = Number.NEGATIVE_INFINITY;
  const draw = (tried: number, failed: number) => {
    const now = performance.now();
    if (!io.stderr.isTTY || now - drawn < REDRAW_MS) return; // some campaigns try thousands in a second
    drawn = now;
    const parts = [campaign.name, `${count(tried)} of ${count(total)} ${campaign.unit}`, `${count(failed)} failed`];
    line.draw(parts, Math.min(tried / total, 1));
  };
  const failed = ({ what }: Failure) => line.say(`${campaign.name}: ${what.split('\n', 1)[0]}`);
  draw(0, 0);
  const outcome = await attack(campaign, { size, seed, only, ms, signal, progress: draw, failed, begins: watch.at });
  line.clear();
  const { failures, tried, unit, seconds } = outcome;
  io.stderr.write(
    `  ${campaign.name}: ${count(tried)} ${unit}, ${plural(failures.length, 'failure')}, ${duration(seconds)}\n`,
  );
  return outcome;
}

async function adapterName(): Promise<string> {
  await findGpu();
  const device = await requestDevice({ label: 'downhill:torture' });
  const { name } = describeAdapter(device);
  device.destroy();
  return name;
}

function write(file: string, report: TortureReport): void {
  try {
    writeWhole(file, `${JSON.stringify(report, null, 2)}\n`);
  } catch (cause) {
    throw outputError(file, cause);
  }
}

const failuresOf = ({ failures, more }: Outcome): number => failures.length + more;

const TABLE: readonly Column<Outcome>[] = [
  { title: 'campaign', align: 'left', text: ({ name }) => name },
  { title: 'tried', text: ({ tried }) => count(tried) },
  { title: '', align: 'left', text: ({ unit }) => unit },
  { title: 'failed', text: (each) => count(failuresOf(each)), style: (each) => (failuresOf(each) ? 'red' : 'green') },
  { title: 'time', text: ({ seconds }) => duration(seconds) },
  { title: '', align: 'left', text: ({ ended, size }) => (ended ? `${ENDED[ended]}, of ${count(size)}` : '') },
];

const ENDED = { time: 'its time was up', interrupted: 'interrupted' } as const;

function print({ campaigns, skipped }: TortureReport, io: Io): void {
  const paint = painter(io.stdout);
  const room = (io.stdout.columns ?? COLUMNS) - 1;
  const lines = ['', ...textTable(TABLE, campaigns, { paint, room }), ''];
  for (const { name, figures } of campaigns)
    for (const [figure, value] of Object.entries(figures)) lines.push(...indented(`${name}: ${figure} ${value}`, room));
  for (const { name, failures, more } of campaigns) {
    for (const { what, repeat } of failures) {
      const [first = '', ...rest] = what.split('\n');
      lines.push('', ...labelled(name, first, { paint, style: 'red', room }), ...rest.map((each) => `    ${each}`));
      lines.push(`    ${paint('cyan', repeat)}`);
    }
    if (more > 0) lines.push('', ...indented(`${name}: ${plural(more, 'more failure')}.`, room));
  }
  if (skipped.length > 0) lines.push('', ...indented(`Not tried any more: ${skipped.join(', ')}.`, room));
  // A campaign counts as one, as a test does, whatever it tried; where time left room for nothing, it has not passed.
  const bad = campaigns.filter((each) => failuresOf(each) > 0);
  const untried = campaigns.filter((each) => each.tried === 0 && failuresOf(each) === 0).length + skipped.length;
  const passed = campaigns.length + skipped.length - bad.length - untried;
  lines.push('', `${passed} passed, ${bad.length} failed${untried > 0 ? `, ${untried} skipped` : ''}`, '');
  // What .ci/run says again at its end.
  const names = bad.map(({ name, failures }) => `failed: torture ${name}: ${failures[0]?.what.split('\n', 1)[0]}\n`);
  io.stdout.write(`${names.join('')}${lines.join('\n')}`);
}
