/** `downhill tune`: which form of every kernel is fastest here, kept for later trainings. */
import { DownhillError, type MeasuredForm, type PlanReport, type PlanStore } from '../../src/index.js';
import { folderPlans } from '../../src/node/index.js';
import { interruptible, LEAVING } from '../common/interrupt.js';
import { type Io, painter } from '../common/io.js';
import { outFile } from '../common/out-folder.js';
import { type Column, INDENT, textTable } from '../common/table.js';
import { runInChrome } from '../train/chrome.js';
import { dataOf, filesOf } from '../train/command.js';
import type { JobEvent } from '../train/events.js';
import { runInNode } from '../train/node.js';
import { parseTune, type TuneCommand, tuneHelp } from './options.js';

/** Characters of a line where there is no terminal: names of forms take up to 57. */
const COLUMNS = 120;

/**
 * @returns the exit code
 * @throws DownhillError for whatever is wrong
 */
export async function tune(args: readonly string[], io: Io): Promise<number> {
  const command = parseTune(args);
  if (command === 'help') {
    io.stdout.write(tuneHelp());
    return 0;
  }
  return interruptible(io, LEAVING, async (signal) => {
    const write = command.out === undefined ? undefined : outFile(command.out, command.force);
    const { config, data } = await dataOf(command, io, signal);
    const seen: { adapter?: string; plan?: PlanReport } = {};
    const emit = (event: JobEvent) => {
      if (event.type === 'adapter') seen.adapter = event.adapter.name;
      if (event.type === 'plan') seen.plan = event.plan;
    };
    // Measured anew, whatever is kept.
    const plans: PlanStore = { load: async () => undefined, save: (key, plan) => folderPlans().save(key, plan) };
    if (config.in === 'node') await runInNode(config, data, emit, signal, { plans });
    else {
      const files = await filesOf(config.data, { io, json: command.json, signal });
      await runInChrome(config, files, emit, signal, { plans });
    }
    if (!seen.plan?.measured) {
      throw new DownhillError(
        'GPU-OUT-OF-MEMORY',
        `Nothing was measured. ${seen.plan?.notes.join(' ') ?? ''}`,
        'Use a smaller --model or --batch.',
      );
    }
    write?.(`${JSON.stringify(seen.plan.measured, null, 2)}\n`);
    report(command, seen.adapter ?? '', seen.plan, io);
    return 0;
  });
}

const COLUMNS_OF: readonly Column<MeasuredForm>[] = [
  { title: 'pass', align: 'left', text: ({ passes }) => passes[0]! + (passes.length > 1 ? ` ×${passes.length}` : '') },
  { title: 'form', align: 'left', text: ({ form }) => form, style: ({ taken }) => (taken ? 'green' : undefined) },
  { title: '', align: 'left', text: ({ taken }) => (taken ? 'taken' : '') },
  { title: 'ms', text: ({ ms }) => (ms === undefined ? '' : ms.toFixed(ms < 1 ? 4 : 2)) },
  { title: 'ratio', text: ({ ratio }) => (ratio === undefined ? '' : ratio.toFixed(2)) },
  { title: 'note', align: 'left', text: ({ note = '' }) => note, drop: 1 },
];

/** Says it on stdout: as text, or as the plan itself. */
function report({ config, json, out }: TuneCommand, adapter: string, { measured, notes }: PlanReport, io: Io): void {
  if (json) {
    io.stdout.write(`${JSON.stringify(measured)}\n`);
    return;
  }
  const paint = painter(io.stdout);
  const { forms, ms, budgetMs } = measured!;
  const shown = forms.filter(({ ms, taken }) => ms !== undefined || taken);
  const table = textTable(COLUMNS_OF, shown, { paint, room: (io.stdout.columns ?? COLUMNS) - 1 });
  const { name } = config.optimizer;
  const batch = config.batchSize === undefined ? 'full batch' : `batch ${config.batchSize}`;
  const lines = [
    '',
    `${INDENT}${paint('bold', config.model.sizes.join('-'))}  ${batch}, ${name}`,
    `${INDENT}${paint('gray', adapter)}`,
    '',
    ...(forms.length > 0 ? table : [`${INDENT}There is one form of each kernel here: nothing to choose.`]),
    ...(shown.length < forms.length ? ['', `${INDENT}${forms.length - shown.length} more were not measured.`] : []),
    ...(notes.length > 0 ? ['', ...notes.map((note) => `${INDENT}${note}`)] : []),
    '',
    `${INDENT}ratio: to what is taken without measuring; ${(ms / 1000).toFixed(1)} s of ${budgetMs / 1000} s`,
    `${INDENT}${paint('cyan', 'kept')}  for train --plan auto${out === undefined ? '' : `, and in ${out}`}`,
    '',
  ];
  io.stdout.write(`${lines.join('\n')}\n`);
}
