/// <reference lib="webworker" />
/** A gradient check of a small network, where it holds up nobody: the float64 reference takes its time. */
import { type GradcheckReport, gradcheck } from '../../src/checks/index.js';
import { digits, mlp, requestDevice } from '../../src/index.js';
import { type Problem, problemOf } from '../shell/problem.js';

export const CHECKED = { sizes: [784, 32, 16, 10], activation: 'gelu' } as const;

export type Answer = { readonly report: GradcheckReport } | { readonly problem: Problem };

async function check(): Promise<GradcheckReport> {
  const device = await requestDevice({ label: 'gradcheck' });
  try {
    return await gradcheck(device, { model: mlp(CHECKED), data: digits({ samples: 8 }) });
  } finally {
    device.destroy();
  }
}

self.addEventListener('message', async () => {
  const answer: Answer = await check().then(
    (report) => ({ report }),
    (error: unknown) => ({ problem: problemOf(error) }),
  );
  self.postMessage(answer);
});
