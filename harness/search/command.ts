/** `downhill search`: hyper-parameters, searched by training. */
import { describeAdapter } from '../../src/index.js';
import { requestDevice } from '../../src/node/index.js';
import { methods, type SearchEvent, type SearchResult, search as searchFor, trialsOf } from '../../src/search/index.js';
import { count, duration, plural } from '../common/format.js';
import { interruptible, keeping } from '../common/interrupt.js';
import type { Io } from '../common/io.js';
import { defaultFolder } from '../common/output.js';
import { findGpu } from '../common/quiet.js';
import { indented } from '../common/table.js';
import { dataOf } from '../train/command.js';
import type { TrainConfig } from '../train/config.js';
import type { JobData, Open } from '../train/data.js';
import { writeJson } from '../train/reporter.js';
import { runSteps } from '../train/schedule.js';
import { SearchFolder } from './folder.js';
import { spaceText } from './lines.js';
import { parseSearch, type SearchCommand, searchHelp } from './options.js';
import { plannedSteps, SearchProgress } from './progress.js';
import { leaveResults } from './results.js';
import { baseOf, objectiveOf, type SearchSpec } from './spec.js';

/** Characters of a line where there is no terminal. */
const COLUMNS = 120;

/** What a search works with, once its data is read. */
interface Prepared {
  readonly config: TrainConfig;
  readonly data: JobData;
  readonly open: Open;
  /** Of a trial that is trained to its end. */
  readonly steps: number;
}

/**
 * @returns the exit code
 * @throws DownhillError for whatever is wrong
 */
export async function search(args: readonly string[], io: Io): Promise<number> {
  const command = parseSearch(args);
  if (command === 'help') {
    io.stdout.write(searchHelp());
    return 0;
  }
  return interruptible(io, keeping(io), async (signal) => {
    const prepared = await prepare(command.spec, io, command.json, signal);
    const { resume, out, force, spec } = command;
    const path = resume ?? out ?? defaultFolder('search');
    const folder = new SearchFolder(path, spec, resume !== undefined ? 'resume' : force ? 'force' : 'new');
    try {
      return await runSearch(command, prepared, folder, io, signal);
    } finally {
      folder.close();
    }
  });
}

/** Reads the data, and looks whether it goes with the network. */
export async function prepare(
  spec: Pick<SearchSpec, 'train'>,
  io: Io,
  json: boolean,
  signal: AbortSignal,
): Promise<Prepared> {
  const { config: wanted, open } = baseOf(spec.train);
  const { config, data } = await dataOf({ config: wanted, open, json }, io, signal);
  return { config, data, open, steps: runSteps(config, data.train.samples) };
}

async function runSearch(
  { spec, json }: SearchCommand,
  prepared: Prepared,
  folder: SearchFolder,
  io: Io,
  signal: AbortSignal,
): Promise<number> {
  const { steps } = prepared;
  const { space, method, trials, seed, seeds, metric } = spec;
  const objective = objectiveOf(spec, prepared, steps);
  const planned = { metric, seeds: seeds.length, trials, steps: await plannedSteps(spec, steps) };
  await findGpu();
  const device = await requestDevice({ label: 'downhill:search' });
  const adapter = describeAdapter(device).name;
  const progress = json ? undefined : new SearchProgress(io, planned);
  if (!json)
    io.stderr.write(
      `${headLines(spec, prepared, adapter, planned.steps, (io.stderr.columns ?? COLUMNS) - 1).join('\n')}\n\n`,
    );
  const started = performance.now();
  const { log } = folder;
  let ended: Pick<SearchResult, 'trials' | 'notes'> & { readonly interrupted?: true };
  try {
    folder.begin();
    const onEvent = (event: SearchEvent) => (json ? writeEvent(io, event) : progress!.event(event));
    const made = methods[method.name](method.options);
    const budget = { trials, steps };
    ended = await searchFor(device, { space, method: made, objective, budget, seed, seeds, log, onEvent, signal });
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error;
    ended = { trials: trialsOf(await log.read()).trials, notes: [], interrupted: true };
  } finally {
    progress?.end();
    device.destroy();
  }
  const seconds = (performance.now() - started) / 1000;
  const state = ended.interrupted ? 'interrupted' : 'done';
  leaveResults(folder, io, {
    ...{ spec, trials: ended.trials, notes: ended.notes, json, title: titleOf(spec) },
    subtitle: `${adapter}; ${spaceText(space)}`,
    told: { state, seconds },
    last: (paint) =>
      ended.interrupted
        ? `  ${paint('yellow', 'stopped')}   after ${duration(seconds)}; go on with: npx downhill search --resume ${folder.folder}`
        : `  ${paint('green', 'done')}      in ${duration(seconds)}`,
  });
  if (ended.interrupted) throw signal.reason;
  return ended.trials.some(({ state }) => state === 'complete') ? 0 : 3;
}

const titleOf = ({ method, trials, metric }: SearchSpec): string =>
  `Search by ${method.name}: ${plural(trials, 'trial')}, validation ${metric}`;

/** What is going to be done. */
function headLines(spec: SearchSpec, made: Prepared, adapter: string, planned: number, room: number): string[] {
  const { config, data, steps } = made;
  const { method, trials, seeds, metric, space } = spec;
  const network = config.model.sizes.join('-');
  const of = config.data.kind === 'named' ? config.data.name : config.data.kind;
  const work = planned * seeds.length;
  const lines = [
    `${network}\u00a0 ${plural(data.train.samples, 'sample')} of ${of}, judged by the ${metric} of ${count(data.validation!.samples)} others`,
    adapter,
    `${method.name}: ${plural(trials, 'trial')} of up to ${plural(steps, 'step')}${seeds.length > 1 ? `, ${seeds.length} seeds each` : ''}; ${plural(work, 'step')} in all, ${Math.round((100 * planned) / (trials * steps))} % of training every one to its end`,
    spaceText(space),
  ];
  return ['', ...lines.flatMap((line) => indented(line, room))];
}

/** Events as JSON lines; steps would be too many. */
function writeEvent(io: Io, event: SearchEvent): void {
  if (event.type === 'begin') writeJson(io, { type: 'begin', trials: event.trials.length, notes: event.notes });
  if (event.type === 'tasks') writeJson(io, { type: 'tasks', tasks: event.tasks });
  if (event.type === 'result') {
    const { task, entry, best } = event;
    writeJson(io, { type: 'result', ...task, ...entry, best: best?.trial });
  }
}
