/** `downhill gradcheck`, `init-loss` and `overfit-batch`: what is tried before a long training. */
import { describeAdapter } from '../../src/index.js';
import { requestDevice } from '../../src/node/index.js';
import { plural } from '../common/format.js';
import { interruptible, LEAVING } from '../common/interrupt.js';
import { type Io, painter } from '../common/io.js';
import { findGpu } from '../common/quiet.js';
import { dataOf } from '../train/command.js';
import type { JobData } from '../train/data.js';
import { modelOf } from '../train/model.js';
import { CHECKS, type CheckName } from './checks.js';
import { type CheckCommand, checkHelp, parseCheck } from './options.js';

/** Characters of a line where there is no terminal. */
const COLUMNS = 100;

/**
 * @returns the exit code: 0, or 1 where the check says that something is wrong
 * @throws DownhillError for whatever keeps it from being done
 */
export async function check(name: CheckName, args: readonly string[], io: Io): Promise<number> {
  const command = parseCheck(name, args);
  if (command === 'help') {
    io.stdout.write(checkHelp(name));
    return 0;
  }
  return interruptible(io, LEAVING, async (signal) => {
    const { config, data } = await dataOf(command, io, signal);
    return run(name, { ...command, config }, data, io);
  });
}

/** Does it, and says it on stdout: as text, or as one JSON object. */
async function run(name: CheckName, { config, own, json }: CheckCommand, data: JobData, io: Io): Promise<number> {
  await findGpu();
  const device = await requestDevice({ label: `downhill:${name}` });
  try {
    const { model, seed, data: source } = config;
    const report = await CHECKS[name].run(device, { model: modelOf(config), data: data.train, seed, own }, config);
    const adapter = describeAdapter(device);
    if (json) io.stdout.write(`${JSON.stringify({ adapter, ...report })}\n`);
    else {
      const paint = painter(io.stdout);
      const from = source.kind === 'named' ? source.name : source.kind;
      const used = own.rows ? `the first ${plural(own.rows, 'sample')} of ${from}` : from;
      const title = `  ${paint('bold', model.sizes.join('-'))}  ${used}, seed ${seed}`;
      const lines = CHECKS[name].lines(report, { paint, columns: io.stdout.columns ?? COLUMNS });
      io.stdout.write(`${['', title, `  ${paint('gray', adapter.name)}`, '', ...lines, ''].join('\n')}\n`);
    }
    return report.ok ? 0 : 1;
  } finally {
    device.destroy();
  }
}
