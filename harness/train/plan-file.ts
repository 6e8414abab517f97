/** The file of --plan. */
import { DownhillError, type MeasuredPlan, show } from '../../src/index.js';
import { readPlainText } from '../../src/node/index.js';
import type { Io } from '../common/io.js';
import type { TrainConfig } from './config.js';

/**
 * The configuration with what is in the file of its plan. What is no plan is told and left out: the training goes by the
 * adapter's traits then, as the library does where a plan is of another adapter, release or model.
 *
 * @throws DownhillError DATA-NOT-FOUND where there is no such file
 */
export function withPlan(config: TrainConfig, io: Io): TrainConfig {
  if (typeof config.plan !== 'object' || !('file' in config.plan)) return config;
  const { file } = config.plan;
  const { plan: _, ...rest } = config;
  let text: string;
  try {
    text = readPlainText(file);
  } catch (cause) {
    throw new DownhillError(
      'DATA-NOT-FOUND',
      `There is no plan in ${show(file)}: it cannot be read: ${(cause as Error).message}.`,
      'Pass --plan auto, pinned, measure, or a file that downhill tune --out has written.',
      cause,
    );
  }
  const plan = parsed(text);
  if (plan) return { ...rest, plan };
  io.stderr.write(`downhill: The plan in ${file} is not used: it is no plan of downhill.\n`);
  return rest;
}

function parsed(text: string): MeasuredPlan | undefined {
  try {
    const plan = JSON.parse(text);
    return typeof plan === 'object' && plan !== null && 'format' in plan ? plan : undefined;
  } catch {
    return undefined;
  }
}
