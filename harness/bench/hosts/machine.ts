/** The machine under the adapter, for the report. */
import { arch, availableParallelism, cpus, platform, release } from 'node:os';
import type { Machine } from '../contract.js';

export const hardware = (): Pick<Machine, 'cores' | 'cpu' | 'os'> => ({
  cores: availableParallelism(),
  cpu: cpus()[0]?.model.trim() || 'unknown CPU',
  os: `${platform()} ${release()} ${arch()}`,
});
